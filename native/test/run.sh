#!/bin/sh
# Builds the test of a library that build.sh made, and runs it: run.sh TARGET/PLATFORM [EMULATOR…]. CC as for build.sh.
set -eu
library=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")"
cc=${CC:-}
for candidate in gcc clang cc; do
  [ -n "$cc" ] || ! command -v "$candidate" >/dev/null || cc=$candidate
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$cc" -std=gnu11 -O2 -ffp-contract=off -Wall -Wextra -Werror -I.. kernels.c -o "$work/kernels" \
  -L"$library" -llrt4j -Wl,-rpath,"$library" -lm
DYLD_LIBRARY_PATH=$library "$@" "$work/kernels" # macOS has the name it was linked under
