#!/bin/sh
# Builds the native library: build.sh TARGET puts it into TARGET/PLATFORM, where the engine looks for it.
# Without a C compiler it says so once and leaves everything else alone: the build goes on without "native".
# CC and ARCH build for another machine: CC=aarch64-linux-gnu-gcc ARCH=aarch64 build.sh TARGET.
# "build.sh TARGET early" builds it beside something else: the same without "early" then waits for it, and builds what is missing.
set -eu
target=$1
early=${2:-}
cd "$(dirname "$0")"

case $(uname -s) in
  Linux) os=linux library=liblrt4j.so ;;
  Darwin) os=mac library=liblrt4j.dylib ;;
  *) os= library= ;;
esac
case ${ARCH:-$(uname -m)} in
  x86_64 | amd64) arch=x86_64 ;;
  aarch64 | arm64) arch=aarch64 ;;
  *) arch= ;;
esac
without() {
  [ -z "$early" ] || exit 0
  echo "lrt4j is built without the native backend: $1" >&2
  exit 0
}
[ -n "$os" ] && [ -n "$arch" ] || without "no such platform: $(uname -s) ${ARCH:-$(uname -m)}"
out=$target/$os-$arch
if command -v flock >/dev/null; then
  exec 9<build.sh
  flock 9
elif [ -n "$early" ]; then
  exit 0 # nobody could wait for it
fi
if [ -f "$out/$library" ] && [ -z "$(find build.sh ./*.[ch] -newer "$out/$library")" ]; then
  exit 0
fi
cc=${CC:-}
for candidate in gcc clang cc; do
  [ -n "$cc" ] || ! command -v "$candidate" >/dev/null || cc=$candidate
done
[ -n "$cc" ] || without "no C compiler found (apt-get install gcc, or set CC)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-std=gnu11 -O2 -fPIC -fvisibility=hidden -ffp-contract=off -fno-math-errno -Wall -Wextra -pthread"
# gcc's first scheduler reads operands so early that tiles no longer fit aarch64's registers
if [ "$arch" = aarch64 ] && "$cc" -Werror -fno-schedule-insns -E -x c /dev/null >/dev/null 2>&1; then
  flags="$flags -fno-schedule-insns"
fi
amx=
if [ "$os-$arch" = linux-x86_64 ] && "$cc" -Werror -mamx-tile -mamx-int8 -mamx-bf16 -E -x c /dev/null >/dev/null 2>&1; then
  amx="-mamx-tile -mamx-int8 -mamx-bf16"
  flags="$flags -DWITH_AMX"
fi
avx_vnni=
echo '__asm__("{vex} vpdpbusd %ymm0, %ymm1, %ymm2");' >"$work/probe.c" # old assemblers do not know it
if [ "$arch" = x86_64 ] && "$cc" -Werror -mavxvnni -c "$work/probe.c" -o "$work/probe" >/dev/null 2>&1; then
  avx_vnni=-mavxvnni
  flags="$flags -DWITH_AVX_VNNI"
fi
jobs=
compile() { # NAME SOURCE FLAGS…
  name=$1 source=$2
  shift 2
  # shellcheck disable=SC2086 # flags are words
  "$cc" $flags "$@" -c "$source" -o "$work/$name.o" &
  jobs="$jobs $!"
}
compile pool pool.c
compile lrt4j lrt4j.c
compile attend attend.c
compile layers layers.c
compile kernels_0 kernels.c -DLEVEL=0
if [ "$arch" = aarch64 ]; then
  compile kernels_3 kernels.c -DLEVEL=3 -march=armv8.2-a+dotprod
else
  avx2="-mavx2 -mfma -mf16c"
  avx512="$avx2 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512"
  compile kernels_1 kernels.c -DLEVEL=1 $avx2
  compile kernels_2 kernels.c -DLEVEL=2 $avx512
  compile kernels_3 kernels.c -DLEVEL=3 $avx512 -mavx512vnni
  compile kernels_4 kernels.c -DLEVEL=4 $avx512 -mavx512bf16
  if [ -n "$amx" ]; then
    compile kernels_5 kernels.c -DLEVEL=5 $avx512 -mavx512vnni -mavx512bf16 $amx
  fi
  if [ -n "$avx_vnni" ]; then
    compile kernels_6 kernels.c -DLEVEL=6 $avx2 $avx_vnni
  fi
fi
for job in $jobs; do
  wait "$job"
done
mkdir -p "$out"
# shellcheck disable=SC2086
"$cc" $flags -shared "$work"/*.o -o "$work/$library" -lm
mv "$work/$library" "$out/$library"
