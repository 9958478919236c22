#!/bin/sh
# Builds the test of a library that build.sh made, and runs it: run.sh TARGET/PLATFORM [EMULATOR…]. CC as for build.sh.
# "run.sh amx" builds the kernels for AMX on an emulation of its instructions, and tests them on AVX2.
set -eu
amx=
if [ "$1" = amx ]; then
  amx="-DWITH_AMX -DEMULATED_AMX"
else
  library=$(cd "$1" && pwd)
fi
shift
cd "$(dirname "$0")"
cc=${CC:-}
for candidate in gcc clang cc; do
  [ -n "$cc" ] || ! command -v "$candidate" >/dev/null || cc=$candidate
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-std=gnu11 -O2 -ffp-contract=off -Wall -Wextra -Werror -I.. $amx"
if [ -n "$amx" ]; then
  library=$work
  avx2="-mavx2 -mfma -mf16c"
  for level in 0 1 5; do
    # shellcheck disable=SC2086 # flags are words
    "$cc" $flags -fno-math-errno -pthread $([ $level = 0 ] || echo "$avx2") -DLEVEL=$level -c ../kernels.c -o "$work/$level.o" &
  done
  wait
  # shellcheck disable=SC2086
  "$cc" $flags -pthread kernels.c levels.c ../lrt4j.c ../layers.c ../attend.c ../pool.c "$work"/*.o -o "$work/kernels" -lm
else
  "$cc" $flags kernels.c -o "$work/kernels" -L"$library" -llrt4j -Wl,-rpath,"$library" -lm
fi
DYLD_LIBRARY_PATH=$library "$@" "$work/kernels" # macOS has the name it was linked under
