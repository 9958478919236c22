"""Records which tokens transformers' logits warpers keep, for SamplerTest.

usage: record_sampler.py sampler.json       (needs torch and transformers)
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)


def logits(seed, n, scale, shift):
    """Bell-shaped, exact in float32, and the same in SamplerTest; a shift of many bits makes ties."""
    state, values = seed, []
    for _ in range(n):
        total = 0
        for _ in range(4):
            state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
            total += state >> 12
        values.append(((total - (1 << 21)) >> shift << shift) * scale)
    return torch.tensor([values], dtype=torch.float32)


def borderline(before, after_k, case):
    """Whether float32 rounding may decide what is kept: such a case says nothing."""
    probabilities = after_k.double().softmax(-1)
    if case["top_p"] < 1:
        cumulative = probabilities.sort().values.cumsum(-1)
        if (cumulative - (1 - case["top_p"])).abs().min() < 2e-6:
            return True
    if case["min_p"] > 0:
        ratio = probabilities / probabilities.max()
        return bool(((ratio - case["min_p"]).abs() < 1e-5 * case["min_p"]).logical_and(ratio < 1).any())
    return False


def record(case):
    scores = logits(case["seed"], case["n"], case["scale"], case["shift"])
    if case["penalty"] != 1:
        scores = RepetitionPenaltyLogitsProcessor(case["penalty"])(torch.tensor([case["seen"]]), scores)
    scores = TemperatureLogitsWarper(case["temperature"])(None, scores)
    before = scores
    if case["top_k"]:
        scores = TopKLogitsWarper(case["top_k"])(None, scores)
    after_k = scores
    if case["top_p"] < 1:
        scores = TopPLogitsWarper(case["top_p"])(None, scores)
    if case["min_p"] > 0:
        scores = MinPLogitsWarper(case["min_p"])(None, scores)
    if borderline(before, after_k, case):
        return None
    kept = torch.isfinite(scores[0]).numpy()
    # torch.sort leaves the order of equal scores open, and with it which of them top-p keeps: here the first
    tied = np.flatnonzero(before[0].numpy() == before[0].numpy()[kept].min())
    first = tied[: kept[tied].sum()]
    kept[tied] = False
    kept[first] = True
    return {**case, "count": int(kept.sum()), "kept": np.packbits(kept, bitorder="little").tobytes().hex()}


def f32(x):
    return float(np.float32(x))


def main():
    cases, skipped = [], 0
    combinations = itertools.product(
        [0.3, 0.6, 1.0, 1.7], [0, 1, 5, 50, 5000], [1.0, 0.95, 0.8, 0.3, 0.01], [0.0, 0.02, 0.3, 1.0], [1.0, 1.3, 0.7]
    )
    for i, (temperature, top_k, top_p, min_p, penalty) in enumerate(combinations):
        n = [1, 2, 13, 63, 207, 500][i % 6]
        case = {
            "seed": i + 1,
            "n": n,
            "scale": 2.0 ** -[16, 17, 18, 19][i % 4],
            "shift": [0, 0, 17, 14, 19][i % 5],
            "seen": [i % n, (7 * i) % n, i % n],
            "temperature": f32(temperature),
            "top_k": top_k,
            "top_p": f32(top_p),
            "min_p": f32(min_p),
            "penalty": f32(penalty),
        }
        result = record(case)
        skipped += result is None
        cases += [result] if result else []
    large = {"n": 151936, "shift": 0, "seen": [5], "penalty": 1.0, "temperature": 1.0, "min_p": 0.0}
    for seed, scale, top_k, top_p in [(1, 2.0**-16, 20, 0.95), (2, 2.0**-15, 0, 0.5), (3, 2.0**-14, 0, 0.9), (4, 2.0**-16, 1000, 1.0)]:
        result = record({**large, "seed": seed, "scale": scale, "top_k": top_k, "top_p": f32(top_p)})
        skipped += result is None
        cases += [result] if result else []
    text = ",\n".join(json.dumps(case) for case in cases)
    Path(sys.argv[1]).write_text(f'{{"cases": [\n{text}\n]}}\n')
    print(f"{len(cases)} cases, {skipped} borderline ones left out, {sum(c['shift'] > 0 for c in cases)} with ties")


if __name__ == "__main__":
    main()
