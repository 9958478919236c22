#!/bin/sh
# Builds what the tests of the CUDA backend run on where there is no GPU: build.sh TARGET puts libcuda.so.1 (the emulated
# driver), io/lrt4j/cuda/kernels.fatbin (the kernels, for it), cuda12/libcublas.so.12 and cuda13/libcublas.so.13 into TARGET. On another system than Linux on x86-64, for
# which JCuda has no native library, it says so, and those tests are left out; without g++ it says so, and they fail.
set -eu
target=$1
cd "$(dirname "$0")"
kernels=../../kernels

without() {
  echo "the CUDA backend cannot be tested here: $1" >&2
  exit 0
}
[ "$(uname -sm)" = "Linux x86_64" ] || without "JCuda has no native library for $(uname -sm)"
cxx=${CXX:-g++}
command -v "$cxx" >/dev/null || without "no C++ compiler found (apt-get install g++, or set CXX)"

image=$target/io/lrt4j/cuda/kernels.fatbin
if [ -f "$image" ] && [ -z "$(find . "$kernels" -newer "$image" -type f)" ]; then
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# What is made here runs here.
flags="-std=c++20 -O2 -march=native -fPIC -fvisibility=hidden -ffp-contract=off -fno-math-errno -Wall -Wextra -Wno-unknown-pragmas"
jobs=
compile() { # NAME ARGUMENTS…
  name=$1
  shift
  # shellcheck disable=SC2086 # flags are words
  "$cxx" $flags "$@" -o "$work/$name.o" &
  jobs="$jobs $!"
}
compile driver -c driver.cpp
compile blocks -c blocks.cpp
compile m_module -c module.cpp
for kernel in "$kernels"/*.cu; do
  compile "m_$(basename "$kernel" .cu)" -DLRT_EMULATED -I. -include emulated.h -x c++ -c "$kernel"
done
for job in $jobs; do
  wait "$job"
done
mkdir -p "$(dirname "$image")"
# shellcheck disable=SC2086
"$cxx" $flags -shared -Wl,-soname,libcuda.so.1 "$work/driver.o" "$work/blocks.o" -o "$target/libcuda.so.1" -ldl
# shellcheck disable=SC2086
for version in 12 13; do
  library=libcublas.so.$version
  echo "$library { global: cublas*; local: *; };" >"$work/$library.map"
  mkdir -p "$target/cuda$version"
  "$cxx" $flags -fopenmp-simd -DVERSION=$version -shared -Wl,-soname,$library -Wl,--version-script="$work/$library.map" cublas.cpp \
    -L"$target" -l:libcuda.so.1 -o "$target/cuda$version/$library"
done
# shellcheck disable=SC2086
"$cxx" $flags -shared "$work"/m_*.o -o "$work/kernels"
mv "$work/kernels" "$image"
