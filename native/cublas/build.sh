#!/bin/sh
# Builds the bridge from libcublas.so.12, which JCublas wants, to libcublas.so.13: build.sh TARGET puts it into TARGET as
# io/lrt4j/cuda/libcublas.so.12. Without a C compiler it says so once: cuBLAS 13 is then not used. JCuda has native
# libraries for Linux on x86-64; elsewhere there is nothing to bridge.
set -eu
target=$1
cd "$(dirname "$0")"
[ "$(uname -sm)" = "Linux x86_64" ] || exit 0

library=$target/io/lrt4j/cuda/libcublas.so.12
if [ -f "$library" ] && [ -z "$(find . -newer "$library" -type f)" ]; then
  exit 0
fi
cc=${CC:-}
for candidate in gcc clang cc; do
  [ -n "$cc" ] || ! command -v "$candidate" >/dev/null || cc=$candidate
done
if [ -z "$cc" ]; then
  echo "lrt4j is built without a bridge to cuBLAS 13: no C compiler found (apt-get install gcc, or set CC)" >&2
  exit 0
fi
mkdir -p "$(dirname "$library")"
"$cc" -std=gnu11 -O2 -fPIC -shared -fvisibility=hidden -Wall -Wextra -Wl,-soname,libcublas.so.12 \
  -Wl,--version-script=libcublas.so.12.map bridge.c -o "$library.new" -ldl
mv "$library.new" "$library"
