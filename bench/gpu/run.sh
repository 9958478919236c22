#!/bin/bash
# Tests and measures lrt4j on this machine's NVIDIA GPU. Needs the driver, nothing else; runs from the folder that
# mvn -Pgpu-image -DskipTests -Dcuda.architectures="80 89 90 100 120" package made (bench/target/lrt4j-gpu.tar.gz).
#   run.sh [--out DIR] [--models qwen3-0.6b,…] [--quick] [--only tests|times|pytorch]
# Writes DIR (default: results beside it): tests.log, one JSON a model, pytorch.jsonl, table.txt. Exits with 1 if a test fails.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$here/results
models=qwen3-0.6b,qwen3-1.7b,qwen3-4b,r1-distill-qwen-1.5b
quick='' only='' failed=0
while (($#)); do
  case $1 in
    --out) out=$2; shift ;;
    --models) models=$2; shift ;;
    --quick) quick=--quick ;;
    --only) only=$2; shift ;;
    *) echo "usage: run.sh [--out DIR] [--models NAME,…] [--quick] [--only tests|times|pytorch]" >&2; exit 2 ;;
  esac
  shift
done
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
java=("$here/java/bin/java" --add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow
  -XX:+UseSerialGC -Xmx8g)
# cuBLAS is no part of the driver: that of Python, if there is none on the library path
for found in $(python3 -c 'import glob, site, sys
for s in site.getsitepackages() + [site.getusersitepackages()]:
    print(*glob.glob(s + "/nvidia/cu13/lib/libcublas.so.1?") + glob.glob(s + "/nvidia/cublas/lib/libcublas.so.1?"))' 2>/dev/null); do
  LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}${found%/*}
  export LD_LIBRARY_PATH
done
wanted() { [[ -z $only || $only == "$1" ]]; }
say() { echo "$@" | tee -a "$out/table.txt"; }

: >"$out/table.txt"
say "$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || echo "no nvidia-smi here")"
"${java[@]}" -cp "$here/lib/*" io.lrt4j.cli.Main info | tee "$out/info.txt"
grep -q 'cuda *available' "$out/info.txt" || { say "nothing can be measured here: $(sed -n 's/^backend *cuda *not available (\(.*\))$/\1/p' "$out/info.txt")"; exit 1; }

# --- every operation and fixture on the real device ---
tests() { # PREFIX… CLASSES
  local classes=$1
  shift
  "$@" "${java[@]}" -Dlrt4j.test.backend=cuda -cp "$here/tests/classes:$here/tests/junit.jar:$here/lib/*" \
    org.junit.platform.console.ConsoleLauncher execute --disable-banner --disable-ansi-colors --details=summary --scan-classpath "$here/tests/classes" \
    -n "$classes"
}
if wanted tests; then
  if tests '.*Test' env >"$out/tests.log" 2>&1; then
    say "tests: all passed ($(grep 'tests successful' "$out/tests.log" | tr -dc '0-9'))"
  else
    failed=1
    say "tests: FAILED, see tests.log"
  fi
  if sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null); then
    for tool in memcheck racecheck; do
      classes='Operations|Attention|Sample'
      [[ $tool == racecheck ]] || classes+='|Tiles' # races within cuBLAS would not be ours
      if tests ".*($classes)Test" "$sanitizer" --tool "$tool" --target-processes all --error-exitcode 9 >"$out/$tool.log" 2>&1; then
        say "$tool: nothing found"
      else
        failed=1
        say "$tool: FAILED, see $tool.log"
      fi
    done
  else
    say "memcheck, racecheck: not run, compute-sanitizer is not here"
  fi
fi

# --- how fast it is, and PyTorch beside it on the same weights ---
python=$(command -v python3 || true)
[[ -n $python ]] && ! "$python" -c 'import torch, transformers; assert torch.cuda.is_available()' 2>/dev/null && python=
for model in ${models//,/ }; do
  wanted times || wanted pytorch || break
  "${java[@]}" -cp "$here/lib/*" io.lrt4j.cli.Main init --preset "$model" --out "$work/$model" >/dev/null || { failed=1; continue; }
  if wanted times; then
    "${java[@]}" -cp "$here/lib/*" io.lrt4j.bench.Main endtoend --model "$work/$model" --backend cuda $quick --results "$out/$model" --commit image 2>&1 |
      tee -a "$out/table.txt" || failed=1
  fi
  if wanted pytorch; then
    if [[ -n $python ]]; then
      "$python" "$here/pytorch_decode.py" "$work/$model" $quick 2>"$out/pytorch-$model.log" | tee -a "$out/pytorch.jsonl" "$out/table.txt" || failed=1
    else
      say "pytorch: not run, there is no Python with torch, transformers and a GPU here"
    fi
  fi
  rm -rf "${work:?}/$model"
done
echo "written to $out"
exit $failed
