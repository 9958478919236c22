#!/usr/bin/env python3
"""Runs other engines and lrt4j in turn on one model shape, and prints tokens per second and ratios.

    bench/side_by_side.py --model DIR [--backend native] [--quantize none,bf16,q8,q4] [--cache-type f32|f16|q8]
        [--threads N] [--llama-bench NAME=BINARY:FILE.gguf …] [--transformers PYTHON]

Nothing is downloaded: binaries, GGUF files of the same shape and a Python with torch and transformers are the caller's.
Every peer runs once before and once after lrt4j (bench/run endtoend, medians of 5), so that what changed on the machine
meanwhile shows as a difference between its two runs. Only Python's own library is needed here.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PREFILLS = (256, 512)
STEPS = 64

# Run by the Python that has torch and transformers: the model's folder and the number of threads follow.
TRANSFORMERS = """
import json, statistics, sys, time
import torch
from transformers import AutoModelForCausalLM
torch.set_num_threads(int(sys.argv[2]))
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.bfloat16).eval()
vocabulary = model.config.vocab_size
result = {}
with torch.inference_mode():
    def prefill(n):
        ids = torch.randint(0, vocabulary, (1, n), generator=torch.Generator().manual_seed(1))
        start = time.perf_counter()
        out = model(ids, use_cache=True, logits_to_keep=1)
        return time.perf_counter() - start, out
    def decode(steps):
        _, out = prefill(256)
        token, cache = out.logits[:, -1:].argmax(-1), out.past_key_values
        start = time.perf_counter()
        for _ in range(steps):
            out = model(token, past_key_values=cache, use_cache=True)
            token, cache = out.logits[:, -1:].argmax(-1), out.past_key_values
        return time.perf_counter() - start
    for n in (256, 512):
        prefill(n)
        result["prefill %d" % n] = n / statistics.median(prefill(n)[0] for _ in range(3))
    decode(4)
    result["decode"] = 64 / statistics.median(decode(64) for _ in range(3))
print(json.dumps(result))
"""


def output(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, **options)
    if done.returncode:
        sys.exit(f"status {done.returncode} from {' '.join(map(str, command))}")
    return done.stdout


def llama_bench(binary, model, threads):
    """llama.cpp's own benchmark, and its forks'. Decoding begins without a context, which favours it."""
    prompts = ",".join(map(str, PREFILLS))
    command = [binary, "-m", model, "-t", threads, "-p", prompts, "-n", STEPS, "-r", 3, "-o", "json"]
    rates = {}
    for row in json.loads(output(list(map(str, command)), stderr=subprocess.DEVNULL)):
        name = f"prefill {row['n_prompt']}" if row["n_prompt"] else "decode"
        rates[name] = row["avg_ts"]
    return rates


def transformers(python, model, threads):
    command = [python, "-c", TRANSFORMERS, model, str(threads)]
    return json.loads(output(command, stderr=subprocess.DEVNULL).splitlines()[-1])


def ours(options):
    command = [HERE / "run", "endtoend", "--model", options.model, "--backend", options.backend,
               "--quantize", options.quantize, "--threads", str(options.threads)]
    if options.cache_type:
        command += ["--cache-type", options.cache_type]
    text = output(command)
    print(text)
    file = text.rsplit("written to ", 1)[1].strip()
    rates = {}
    for result in json.loads(pathlib.Path(file).read_text())["end_to_end"]:
        name = "lrt4j " + result["backend"].split(":")[0] + " " + result["quantize"] + ", " + result["cache_type"]
        rates[name] = {f"prefill {n}": result["prefill_tokens_per_second"][str(n)] for n in PREFILLS}
        rates[name]["decode"] = result["decode_tokens_per_second"]
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--backend", default="native")
    parser.add_argument("--quantize", default="none,bf16,q8,q4")
    parser.add_argument("--cache-type", choices=("f32", "f16", "q8"), help="default: the engine's own")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--llama-bench", action="append", default=[], metavar="NAME=BINARY:FILE.gguf")
    parser.add_argument("--transformers", metavar="PYTHON")
    options = parser.parse_args()

    peers = {}
    for peer in options.llama_bench:
        name, equals, rest = peer.partition("=")
        binary, colon, gguf = rest.rpartition(":")
        if not equals or not colon:
            parser.error(f"--llama-bench must be NAME=BINARY:FILE.gguf, found {peer}")
        peers[name] = lambda binary=binary, gguf=gguf: llama_bench(binary, gguf, options.threads)
    if options.transformers:
        peers["transformers bf16"] = lambda: transformers(options.transformers, options.model, options.threads)

    before = {name: run() for name, run in peers.items()}
    mine = ours(options)
    after = {name: run() for name, run in peers.items()}

    columns = [f"prefill {n}" for n in PREFILLS] + ["decode"]
    print(f"{'tokens/s':<28}" + "".join(f"{c:>24}" for c in columns))
    for name, rates in mine.items():
        print(f"{name:<28}" + "".join(f"{rates[c]:>24.1f}" for c in columns))
    for name in peers:
        cells = []
        for c in columns:
            both = before[name][c], after[name][c]
            cells.append(f"{statistics.mean(both):.1f} ({both[0]:.1f}, {both[1]:.1f})")
        print(f"{name:<28}" + "".join(f"{cell:>24}" for cell in cells))
    for name, rates in mine.items():
        for peer in peers:
            cells = [rates[c] / statistics.mean((before[peer][c], after[peer][c])) for c in columns]
            print(f"{name} / {peer}: " + ", ".join(f"{c} {x:.2f}" for c, x in zip(columns, cells)))


if __name__ == "__main__":
    main()
