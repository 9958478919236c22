#!/usr/bin/env bash
# ./lrt image [OUT] [--no-cache]: a folder that runs lrt4j on machines of this kind without a JDK (default: target/lrt-image).
# Called by the launcher, which has built all: image.sh JDK HOME …. Without --no-cache it also makes the image's cache of
# loaded classes, for starts in a fraction of the time; it is larger than the classes, so leave it out where space counts.
set -euo pipefail
jdk=$1 home=$2
shift 2
out=$home/target/lrt-image warm=1
say() { printf 'lrt: %s\n' "$1" >&2; }
while (($#)); do
  case $1 in
    --no-cache) warm= ;;
    --help)
      sed -n 's/^# //p' "${BASH_SOURCE[0]}" | head -n 1
      exit 0
      ;;
    -*)
      say "no such option of image: $1"
      exit 2
      ;;
    *) out=$1 ;;
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

# lrt4j and what it depends on. Its libraries lie among Java's, where a start finds them without unpacking anything.
mkdir -p "$out/app/lib" "$out/models"
cp "$home/java/cli/target/lrt4j-cli.jar" "$out/app"
cp "$home"/java/cli/target/lib/*.jar "$out/app/lib"
rm -f "$out"/app/lib/{lrt4j-cuda,jcuda,jcublas}* # for machines without a GPU
cp -R "$home/models/default" "$out/models"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# unpack JAR FOLDER PLATFORM: takes the libraries of all platforms out of a jar, and keeps this one's, if it has them.
unpack() (
  mkdir "$work/jar"
  cd "$work/jar"
  "$jdk/bin/jar" --extract --file "$1"
  if [[ -d $2/$3 ]]; then cp "$2/$3"/* "$out/lib"; fi
  find "$2" -mindepth 1 -maxdepth 1 -type d -exec rm -r {} +
  rm -rf nlp cv # of the tokenizer's: lists of others' models
  "$jdk/bin/jar" --create --file "$1" --manifest META-INF/MANIFEST.MF .
  rm -r "$work/jar"
)
unpack "$out"/app/lib/lrt4j-engine-*.jar io/lrt4j/compute/cpu/nativ "${platform/osx/mac}"
unpack "$out"/app/lib/tokenizers-*.jar native/lib "$platform/cpu"
if command -v strip >/dev/null && [[ $platform == linux-* ]]; then
  find "$out/lib" -name '*.so' -exec strip --strip-unneeded {} +
fi

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
if [[ -n $warm ]]; then
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
echo "$out/bin/lrt: $note"
