#!/usr/bin/env python3
"""Write exact.{json,safetensors} beside the expectations of every model in a folder of conformance fixtures.

make_fixtures.py casts a model to its 16-bit type and back before it records what the model computes. That rounds the RoPE
frequencies, a buffer, as well, which no loader of a checkpoint does: transformers computes them in float32. Here the same cases are
recorded from the checkpoint as stored, loaded in float32.

Needs: torch, transformers >= 5, safetensors.   Run: exact_expectations.py ../resources/conformance
"""
import json, pathlib, sys
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

for d in sorted(p.parent for p in pathlib.Path(sys.argv[1]).glob("*/generation_config.json")):
    model = AutoModelForCausalLM.from_pretrained(d, dtype=torch.float32).eval()
    cases, tensors = [], {}
    for i, case in enumerate(json.loads((d / "expected.json").read_text())["cases"]):
        with torch.no_grad():
            hidden = model.model(torch.tensor([case["ids"]])).last_hidden_state[0]
            tensors[f"case{i}.hidden"], tensors[f"case{i}.logits"] = hidden.contiguous(), model.lm_head(hidden).contiguous()
            past, x, greedy, margin = None, torch.tensor([case["ids"]]), [], 1e9
            for _ in case["greedy"]:
                r = model(x, past_key_values=past, use_cache=True)
                past = r.past_key_values
                top = r.logits[0, -1].topk(2)
                margin = min(margin, float(top.values[0] - top.values[1]))
                greedy.append(int(top.indices[0]))
                x = torch.tensor([greedy[-1:]])
        cases.append(dict(ids=case["ids"], greedy=greedy, smallest_top2_margin=round(margin, 5)))
    save_file(tensors, d / "exact.safetensors")
    (d / "exact.json").write_text(json.dumps(dict(cases=cases)))
    print(d.name, [c["smallest_top2_margin"] for c in cases])
