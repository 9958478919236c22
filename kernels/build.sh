#!/bin/sh
# Builds the CUDA kernels: build.sh TARGET puts io/lrt4j/cuda/kernels.fatbin into TARGET. Without nvcc it says so once and
# leaves everything else alone: the backend "cuda" then says what is missing.
#   NVCC   the compiler, if it is not on the PATH or in /usr/local/cuda/bin
set -eu
target=$1
cd "$(dirname "$0")"

image=$target/io/lrt4j/cuda/kernels.fatbin
if [ -f "$image" ] && [ -z "$(find . -newer "$image" -type f)" ]; then
  exit 0
fi
nvcc=${NVCC:-}
for candidate in nvcc /usr/local/cuda/bin/nvcc; do
  [ -n "$nvcc" ] || ! command -v "$candidate" >/dev/null || nvcc=$candidate
done
if [ -z "$nvcc" ]; then
  echo "lrt4j is built without CUDA kernels: no nvcc found (install the CUDA toolkit, or set NVCC)" >&2
  exit 0
fi

# Code for what this nvcc knows of these, and what later GPUs can translate.
known=$("$nvcc" --list-gpu-arch)
code=
for arch in 80 89 90 100 120; do
  case "$known" in *compute_$arch*) code="$code -gencode arch=compute_$arch,code=sm_$arch" ;; esac
done
[ -n "$code" ] || { echo "lrt4j is built without CUDA kernels: $nvcc knows none of sm_80 to sm_120" >&2; exit 0; }
code="$code -gencode arch=compute_80,code=compute_80"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for kernel in *.cu; do
  echo "#include \"$PWD/$kernel\""
done >"$work/kernels.cu"
# shellcheck disable=SC2086 # flags are words
"$nvcc" -std=c++17 -O3 --threads 0 -fatbin $code -I. "$work/kernels.cu" -o "$work/kernels.fatbin"
mkdir -p "$(dirname "$image")"
mv "$work/kernels.fatbin" "$image"
