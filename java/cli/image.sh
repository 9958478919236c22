#!/usr/bin/env bash
# ./lrt image [OUT] [--small]: a folder that runs lrt4j on machines of this kind without a JDK (default: target/lrt-image).
# --small leaves out what makes starts quick, but takes room: an archive of classes, and libraries that are not compressed.
# Called by the launcher, which has built all: image.sh JDK HOME …. --small was called --no-cache.
set -euo pipefail
jdk=$1 home=$2
shift 2
out=$home/target/lrt-image named= small=
say() { printf 'lrt: %s\n' "$1" >&2; }
while (($#)); do
  case $1 in
    --small | --no-cache) small=1 ;;
    --help)
      sed -n 's/^# //p' "${BASH_SOURCE[0]}" | head -n 2
      exit 0
      ;;
    -*)
      say "no such option of image: $1"
      exit 2
      ;;
    *)
      [[ -z $named ]] || { say "unexpected argument of image: $1"; exit 2; }
      out=$1 named=1
      ;;
  esac
  shift
done
[[ ! -e $out ]] || { say "$out exists already: remove it, or name another folder"; exit 2; }
case $(uname -s)-$(uname -m) in
  Linux-x86_64) platform=linux-x86_64 ;;
  Linux-aarch64) platform=linux-aarch64 ;;
  Darwin-arm64) platform=osx-aarch64 ;;
  *) say "no image for $(uname -sm): the tokenizer has no library for it"; exit 1 ;;
esac

# Java, of which lrt4j needs little. (Its warning about the incubator module tells nothing here.)
modules=java.base,java.logging,jdk.incubator.vector,jdk.jfr,jdk.management,jdk.unsupported
"$jdk/bin/jlink" --add-modules "$modules" --strip-java-debug-attributes --no-header-files --no-man-pages \
  --compress zip-9 --output "$out" 2>&1 | { grep -v '^WARNING: Using incubator' >&2 || true; }
[[ -x $out/bin/java ]]
# What is left of an image that fails from here on could be taken for a whole one.
work= whole=
trap '[[ -n $whole ]] || { rm -rf "$out"; say "no image was made"; }; rm -rf "$work"' EXIT
rm -f "$out"/bin/{jfr,keytool} "$out"/lib/{classlist,jrt-fs.jar} # other programs', and what other archives and other Javas are for

# stripped FOLDER: without what only debuggers read of the libraries in it.
stripped() {
  if command -v strip >/dev/null && [[ $platform == linux-* ]]; then
    find "$1" -name '*.so' -exec strip --strip-unneeded {} +
  fi
}
stripped "$out/lib"

# lrt4j and what it depends on, without what no image runs: the GPU's; libraries, for now; of the tokenizer's, others' models and
# what runs them; of Micrometer's, what observes libraries that are not there; Maven's files.
target=$home/java/cli/target
"$jdk/bin/java" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "$home/java/build/CopyJars.java" "$target/lrt4j-cli.jar" "$out/app" "\
lib/(lrt4j-cuda|jcuda|jcublas)-.+|\
(native/lib|io/lrt4j/compute/cpu/nativ)/[^/]+/.+|\
(nlp|cv|ai/djl/engine|ai/djl/huggingface/(translator|zoo))/.+|META-INF/services/ai[.]djl[.].+|\
io/micrometer/core/instrument/binder/[^/]+/.+|\
META-INF/maven/.+"
mkdir "$out/models"
cp -R "$home/models/default" "$out/models"

# The libraries of this platform lie among Java's, where a start finds them without unpacking anything, or in the jars again.
work=$(mktemp -d)
# library JAR FOLDER: what a jar has in a folder, if it has that.
library() {
  local jar
  jar=$(basename "$out"/app/lib/"$1"-*.jar)
  "$jdk/bin/jar" --extract --file "$target/lib/$jar" --dir "$work" "$2"
  [[ -d $work/$2 ]] || return 0
  stripped "$work/$2"
  if [[ -n $small ]]; then
    "$jdk/bin/jar" --update --file "$out/app/lib/$jar" -C "$work" "$2"
  else
    mv "$work/$2"/* "$out/lib"
  fi
}
library lrt4j-engine "io/lrt4j/compute/cpu/nativ/${platform/osx/mac}"
library tokenizers "native/lib/$platform/cpu"

# Its launcher is the second half of the other: what does not look for a JDK and does not build.
{
  cat <<'HEAD'
#!/usr/bin/env bash
# Runs lrt4j with the Java beside it.   LRT_JAVA_OPTS   more options for Java, such as -Xmx8g
set -euo pipefail
unset CDPATH
HEAD
  sed -n '/^# Follows symbolic links/,/^}/p' "$home/lrt"
  cat <<'HEAD'

real "${BASH_SOURCE[0]}"
home=$(cd -P "${REPLY%/*}/.." && pwd)
jdk=$home
jar=$home/app/lrt4j-cli.jar
cache=$home/lib/lrt.jsa

HEAD
  sed -n '/^# --- the options for Java/,/^# --- the build/p' "$home/lrt" | sed '$d'
  sed -n '/^# --- the run/,$p' "$home/lrt"
} >"$out/bin/lrt"
chmod +x "$out/bin/lrt"

megabytes() { echo $((($(find "$1" -type f -exec cat {} + | wc -c) + 999999) / 1000000)); }
note="$(megabytes "$out") MB"
if [[ -z $small ]]; then
  # A run of the default model, which writes down what it loads, and one that makes the archive of that.
  make() {
    LRT_JAVA_OPTS="${LRT_JAVA_OPTS:-} $1" "$out/bin/lrt" ask \
      "Tom has 3 apples and buys 4 more. How many apples does Tom have?" >/dev/null 2>"$work/log" || {
      cat "$work/log" >&2
      exit 1
    }
  }
  make "-XX:DumpLoadedClassList=$work/classes"
  make "-Xshare:dump -XX:SharedClassListFile=$work/classes -XX:SharedArchiveFile=$work/lrt.jsa"
  mv "$work/lrt.jsa" "$out/lib/lrt.jsa"
  note+=" and a cache of $(megabytes "$out/lib/lrt.jsa") MB"
fi
whole=1
echo "$out/bin/lrt: $note"
