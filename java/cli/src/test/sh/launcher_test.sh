#!/usr/bin/env bash
# Tests the launcher given as $1: a copy of it in a made-up project, with made-up JDKs and Maven.
set -euo pipefail

launcher=$1
root=$(cd "$(mktemp -d)" && pwd -P)
trap 'rm -rf "$root"' EXIT
passed=0

# A PATH with the tools that the launcher may use, and neither Java nor Maven.
mkdir "$root/tools"
for tool in bash cat find flock grep head mkdir mv readlink rm rmdir sed sleep tail tee touch; do
  if path=$(type -P "$tool"); then ln -s "$path" "$root/tools/$tool"; fi
done

# jdk FOLDER VERSION [release]: a JDK whose java shows what it was started with.
jdk() {
  mkdir -p "$1/bin"
  cat >"$1/bin/java" <<JAVA
#!$root/tools/bash
if [[ \${1:-} == -version ]]; then echo 'openjdk version "$2" 2026-04-21' >&2; exit 0; fi
JAVA
  cat >>"$1/bin/java" <<'JAVA'
if [[ ${FAKE_READ:-} ]]; then
  if { : 4<&0; } 2>/dev/null; then echo "stdin=$(cat)"; else echo 'stdin is closed'; fi
fi
if [[ ${FAKE_WAIT:-} ]]; then
  sleep 60 &
  trap 'kill $!; exit 7' TERM
  : >"$FAKE_WAIT"
  wait
fi
for arg; do
  if [[ $arg == -XX:SharedArchiveFile=*.new && ! ${FAKE_NO_CACHE:-} ]]; then echo cache >"${arg#*=}"; fi
done
printf 'java=%s\n' "$0"
printf 'arg=%s\n' "$@"
printf 'locale=%s\n' "${LC_ALL:-}"
echo 'WARNING: Using incubator modules: jdk.incubator.vector' >&2
echo 'a word of the JVM' >&2
echo 'a word of ours' >&3
exit "${FAKE_STATUS:-0}"
JAVA
  : >"$1/bin/javac"
  chmod +x "$1/bin/java" "$1/bin/javac"
  if [[ ${3:-} == release ]]; then printf 'IMPLEMENTOR="X"\nJAVA_VERSION="%s"\n' "$2" >"$1/release"; fi
}

jdk "$root/new jdk" 25.0.3 release
jdk "$root/old jdk" 17.0.15 release
jdk "$root/plain jdk" 26-ea
jdk "$root/usual/jdk-a" 21.0.1 release
jdk "$root/usual/jdk-b" 25 release

# A Maven that builds the jar, or fails.
mkdir "$root/maven"
cat >"$root/maven/mvn" <<'MVN'
#!/usr/bin/env bash
echo built >>"$FAKE_LOG"
printf '%s\n' "$JAVA_HOME" "$@" >"$FAKE_LOG.args"
cat >/dev/null # takes all of the standard input that it is given
if [[ ${FAKE_UNTIL:-} ]]; then
  for _ in {1..400}; do
    if grep -q waiting "$FAKE_UNTIL"; then break; fi
    sleep 0.05
  done
fi
if [[ ${FAKE_BROKEN:-} ]]; then
  echo '[INFO] much'
  echo '[ERROR] Foo.java: does not compile'
  exit 1
fi
target=${FAKE_HOME:?}/java/cli/target
mkdir -p "$target/lib"
touch "$target/lrt4j-cli.jar"
MVN
chmod +x "$root/maven/mvn"
export FAKE_LOG=$root/builds

# project: a fresh project with the launcher and without a build, in a folder with a space.
project() {
  home="$root/my house"
  rm -rf "$home" "$FAKE_LOG"
  mkdir -p "$home"/native "$home"/java/{engine,cli}/src/main
  : >"$FAKE_LOG"
  touch -t 202001010000 "$home/pom.xml" "$home"/java/{engine,cli}/pom.xml "$home"/java/{engine,cli}/src/main "$home"/native
  grep -q '^usual=' "$launcher" # else the line below would test this machine's JDKs
  sed "s#^usual=.*#usual=($root/usual/*)#" "$launcher" >"$home/lrt"
  chmod +x "$home/lrt"
  export FAKE_HOME=$home
}

built() {
  project
  mkdir -p "$home/java/cli/target/lib"
  touch "$home/java/cli/target/lrt4j-cli.jar"
}

# run WHAT [NAME=VALUE…] COMMAND…: sets status, and $root/out and $root/err.
run() {
  what=$1
  shift
  status=0
  env -i PATH="$root/tools${MORE_PATH:+:$MORE_PATH}" HOME="$root/nobody" FAKE_LOG="$FAKE_LOG" FAKE_HOME="$home" \
    "$@" >"$root/out" 2>"$root/err" </dev/null || status=$?
  # The filter of the JVM's standard error may outlive it by a moment.
  for _ in {1..100}; do
    if [[ $status != 0 ]] || ! grep -q '^java=' "$root/out" || grep -q 'word of the JVM' "$root/err"; then break; fi
    sleep 0.02
  done
}

wrong() {
  printf 'not ok: %s: %s\n--- status %s, out:\n%s\n--- err:\n%s\n' \
    "$what" "$1" "$status" "$(cat "$root/out")" "$(cat "$root/err")" >&2
  exit 1
}
expect_status() { [[ $status == "$1" ]] || wrong "expected status $1"; passed=$((passed + 1)); }
expect_out() { grep -qxF -- "$1" "$root/out" || wrong "expected on stdout: $1"; passed=$((passed + 1)); }
expect_err() { grep -qF -- "$1" "$root/err" || wrong "expected on stderr: $1"; passed=$((passed + 1)); }
expect_err_lines() { [[ $(grep -c '' "$root/err") == "$1" ]] || wrong "expected $1 lines on stderr"; passed=$((passed + 1)); }
expect_builds() { [[ $(grep -c built "$FAKE_LOG") == "$1" ]] || wrong "expected $1 builds"; passed=$((passed + 1)); }

# --- which JDK
built
run "JAVA_HOME" JAVA_HOME="$root/new jdk" "$home/lrt" info
expect_status 0
expect_out "java=$root/new jdk/bin/java"
expect_builds 0

run "JAVA_HOME too old, usual folder instead" JAVA_HOME="$root/old jdk" "$home/lrt" info
expect_out "java=$root/usual/jdk-b/bin/java"

run "nothing set" "$home/lrt" info
expect_out "java=$root/usual/jdk-b/bin/java"

mkdir "$root/bin"
ln -s "../plain jdk/bin/java" "$root/bin/java"
MORE_PATH=$root/bin run "java on the PATH, a link, without release file" "$home/lrt" info
expect_out "java=$root/bin/../plain jdk/bin/java"

run "LRT_JAVA_HOME wins" LRT_JAVA_HOME="$root/plain jdk" JAVA_HOME="$root/new jdk" "$home/lrt" info
expect_out "java=$root/plain jdk/bin/java"

run "which it is" LRT_JAVA_HOME="$root/plain jdk" "$home/lrt" jdk
expect_status 0
expect_out "$root/plain jdk"

run "LRT_JAVA_HOME too old" LRT_JAVA_HOME="$root/old jdk" JAVA_HOME="$root/new jdk" "$home/lrt" info
expect_status 1
expect_err "LRT_JAVA_HOME must be a JDK 25 or later, found 17"
expect_err_lines 1

mv "$root/usual" "$root/away"
run "no JDK" JAVA_HOME="$root/old jdk" "$home/lrt" info
expect_status 1
expect_err "lrt: no JDK 25 or later found"
expect_err_lines 1
mv "$root/away" "$root/usual"

# --- what Java gets, and gives
export JAVA_HOME_NEW="JAVA_HOME=$root/new jdk"
run "arguments" "$JAVA_HOME_NEW" "$home/lrt" ask "two  words" "" '*' '"q"' 'ö中'
for arg in ask "two  words" "" '*' '"q"' 'ö中' -jar "$home/java/cli/target/lrt4j-cli.jar" "-Dlrt.home=$home"; do
  expect_out "arg=$arg"
done
run "exit status" "$JAVA_HOME_NEW" FAKE_STATUS=2 "$home/lrt" info
expect_status 2
run "options for Java" "$JAVA_HOME_NEW" LRT_JAVA_OPTS="-Xmx1g -Dx=*" "$home/lrt" info
expect_out "arg=-Xmx1g"
expect_out "arg=-Dx=*"
expect_out "arg=-XX:+UseSerialGC"
run "another garbage collector" "$JAVA_HOME_NEW" LRT_JAVA_OPTS="-Xmx1g -XX:+UseZGC" "$home/lrt" info
expect_out "arg=-XX:+UseZGC"
if grep -q UseSerialGC "$root/out"; then wrong "expected one collector"; fi
run "another locale" "$JAVA_HOME_NEW" LC_ALL=C "$home/lrt" info
expect_out "locale=C.UTF-8"
here=$(env LC_ALL=C.utf8 bash -c 'x=ö; ((${#x} == 1)) && echo C.utf8' 2>/dev/null || true) # not everywhere
run "a UTF-8 locale" "$JAVA_HOME_NEW" LC_ALL=C.utf8 "$home/lrt" info
expect_out "locale=${here:-C.UTF-8}"
run "a UTF-8 locale that is not there" "$JAVA_HOME_NEW" LC_ALL=xx_XX.UTF-8 "$home/lrt" info
expect_out "locale=C.UTF-8"
run "standard error" "$JAVA_HOME_NEW" "$home/lrt" info
expect_err "a word of the JVM"
expect_err "a word of ours"
expect_err_lines 2

what="a signal"
env -i PATH="$root/tools" HOME="$root/nobody" "$JAVA_HOME_NEW" FAKE_WAIT="$root/ready" "$home/lrt" info &
pid=$!
for _ in {1..400}; do
  if [[ -e $root/ready ]]; then break; fi
  sleep 0.02
done
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
expect_status 7

# --- from where
run "another folder" "$JAVA_HOME_NEW" bash -c 'cd / && "$0" info' "$home/lrt"
expect_out "arg=-Dlrt.home=$home"
mkdir "$root/links"
ln -s "../my house/lrt" "$root/links/one"
ln -s one "$root/links/two"
run "links" "$JAVA_HOME_NEW" "$root/links/two" info
expect_out "arg=-Dlrt.home=$home"
run "by name" "$JAVA_HOME_NEW" bash -c 'cd "$0" && bash lrt info' "$home"
expect_out "arg=-Dlrt.home=$home"

# --- the build
export MORE_PATH=$root/maven
project
run "first use" "$JAVA_HOME_NEW" "$home/lrt" info
expect_status 0
expect_builds 1
expect_err "lrt: building"
expect_err_lines 3
what="JDK for Maven"
grep -qx "$root/new jdk" "$FAKE_LOG.args" || wrong "expected JAVA_HOME for Maven"
expect_out "arg=-XX:SharedArchiveFile=$home/.lrt/lrt.jsa"
run "second use" "$JAVA_HOME_NEW" "$home/lrt" info
expect_builds 1
expect_out "arg=-XX:SharedArchiveFile=$home/.lrt/lrt.jsa"
touch -t 203001010000 "$home/java/cli/target/lrt4j-cli.jar"
run "a jar that is newer than the cache" "$JAVA_HOME_NEW" "$home/lrt" info
expect_builds 1
if grep -q SharedArchiveFile "$root/out"; then wrong "expected no cache"; fi
touch -t 202501010000 "$home/java/cli/target/lrt4j-cli.jar"
touch -t 203001010000 "$home/java/engine/src/main/New.java"
run "a new source" "$JAVA_HOME_NEW" "$home/lrt" info
expect_builds 2
touch -t 202001010000 "$home/java/engine/src/main/New.java"
run "no new source" "$JAVA_HOME_NEW" "$home/lrt" info
expect_builds 2

project
run "no cache" "$JAVA_HOME_NEW" FAKE_NO_CACHE=1 "$home/lrt" info
expect_status 0
if grep -q SharedArchiveFile "$root/out"; then wrong "expected no cache"; fi

project
run "a build that fails" "$JAVA_HOME_NEW" FAKE_BROKEN=1 "$home/lrt" info
expect_status 1
expect_err "[ERROR] Foo.java: does not compile"
expect_err_lines 3
MORE_PATH='' run "no Maven" "$JAVA_HOME_NEW" "$home/lrt" info
expect_status 1
expect_err "Maven is needed"
expect_err_lines 1

what="standard input is not Maven's"
project
status=0
echo "for lrt" | env -i PATH="$root/tools:$root/maven" HOME="$root/nobody" "$JAVA_HOME_NEW" FAKE_LOG="$FAKE_LOG" FAKE_HOME="$home" \
  bash -c '"$0" info >/dev/null 2>&1; cat' "$home/lrt" >"$root/out"
expect_out "for lrt"

built
run "standard input is Java's" "$JAVA_HOME_NEW" FAKE_READ=1 bash -c 'echo for Java | "$0" info' "$home/lrt"
expect_out "stdin=for Java"
run "closed standard input is an empty one" "$JAVA_HOME_NEW" FAKE_READ=1 bash -c '"$0" info <&-' "$home/lrt"
expect_out "stdin="

project
: >"$root/err.two"
env -i PATH="$root/tools:$root/maven" HOME="$root/nobody" "$JAVA_HOME_NEW" FAKE_LOG="$FAKE_LOG" FAKE_HOME="$home" \
  FAKE_UNTIL="$root/err.two" "$home/lrt" info >/dev/null 2>&1 &
first=$!
for _ in {1..400}; do
  if [[ -s $FAKE_LOG ]]; then break; fi
  sleep 0.02
done
run "two at once" "$JAVA_HOME_NEW" bash -c '"$0" info 2> >(tee "$1" >&2)' "$home/lrt" "$root/err.two"
expect_status 0
expect_builds 1
wait "$first"

printf 'ok: %s checks\n' "$passed"
