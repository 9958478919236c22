#!/bin/sh
# Builds the CUDA kernels: build.sh TARGET ARCHITECTURES puts io/lrt4j/cuda/kernels.fatbin into TARGET. Of the architectures
# ("80 90") it holds machine code for those that nvcc knows; for any other GPU from sm_80 on the driver translates the PTX that
# is always in it. Without nvcc it says so once and leaves everything else alone: the backend "cuda" then says what is missing.
#   NVCC   the compiler, if it is not on the PATH or in /usr/local/cuda/bin
set -eu
target=$1
architectures=$2
cd "$(dirname "$0")"

image=$target/io/lrt4j/cuda/kernels.fatbin
made=$target/../kernels.architectures # what the image was made for
if [ -f "$image" ] && [ "$(cat "$made" 2>/dev/null)" = "$architectures" ] && [ -z "$(find . -newer "$image" -type f)" ]; then
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

known=$("$nvcc" --list-gpu-arch)
case "$known" in
  *compute_80*) code="-gencode arch=compute_80,code=compute_80" ;;
  *) echo "lrt4j is built without CUDA kernels: $nvcc does not know sm_80" >&2; exit 0 ;;
esac
for arch in $architectures; do
  case "$known" in *compute_$arch*) code="$code -gencode arch=compute_$arch,code=sm_$arch" ;; esac
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for kernel in *.cu; do
  echo "#include \"$PWD/$kernel\""
done >"$work/kernels.cu"
# -fmad=false: compilers, the driver's too, may not choose what they fuse, which they could do otherwise in each instance of a
# kernel, and so for another number of rows. The source says where: mad.
# shellcheck disable=SC2086 # flags are words
"$nvcc" -std=c++17 -O3 -fmad=false --threads 0 -fatbin $code -I. "$work/kernels.cu" -o "$work/kernels.fatbin"
mkdir -p "$(dirname "$image")"
mv "$work/kernels.fatbin" "$image"
echo "$architectures" >"$made"
