#!/usr/bin/env python3
"""The training steps of lrt4j in PyTorch, to be timed beside it: pre-training of a base (base) and SFT of a network (sft).

Needs: torch, safetensors, tokenizers. Run by bench/training, which compares both; by hand:
  pytorch_step.py base --model DIR --problems FILE.jsonl [--batch 64] [--steps 30] [--threads 2]
  pytorch_step.py sft  --model DIR --network DIR --problems FILE.jsonl …
Prints one JSON line: the losses of the first steps (they are lrt4j's, on the same problems) and the median time of a step.

It is written to be fast in PyTorch: f32, fused attention and fused AdamW, one padded batch; a question's explicit and direct
answers share its row by an attention mask, and SFT computes the question's keys and values once, without a gradient.
"""
import argparse, json, math, pathlib, statistics, time
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer

CLOSE = "\n</think>\n\n"


def rms(x, w, eps):
    return F.rms_norm(x, (x.shape[-1],), w, eps)


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Decoder:
    """A Qwen3 stack over named weights; x [b, n, d], positions [b, n], mask [b, 1, n, past + n]."""

    def __init__(self, weights, prefix, c):
        self.c, self.norm = c, weights[prefix + "norm.weight"]
        at = lambda l, s: weights[f"{prefix}layers.{l}.{s}.weight"]
        self.layers = [dict(
            n1=at(l, "input_layernorm"), q=at(l, "self_attn.q_proj"), k=at(l, "self_attn.k_proj"), v=at(l, "self_attn.v_proj"),
            qn=at(l, "self_attn.q_norm"), kn=at(l, "self_attn.k_norm"), o=at(l, "self_attn.o_proj"), n2=at(l, "post_attention_layernorm"),
            gate=at(l, "mlp.gate_proj"), up=at(l, "mlp.up_proj"), down=at(l, "mlp.down_proj")) for l in range(c["num_hidden_layers"])]
        theta = c.get("rope_theta") or c["rope_parameters"]["rope_theta"]
        self.inverse = 1.0 / theta ** (torch.arange(0, c["head_dim"], 2).float() / c["head_dim"])

    def __call__(self, x, positions, mask, past=None):
        c, eps = self.c, self.c["rms_norm_eps"]
        b, n, _ = x.shape
        h, kv, dim = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        angle = positions[:, None, :, None] * self.inverse
        cos, sin = angle.cos(), angle.sin()
        kept = []
        for l, w in enumerate(self.layers):
            y = rms(x, w["n1"], eps)
            q = rotate(rms((y @ w["q"].T).view(b, n, h, dim), w["qn"], eps).transpose(1, 2), cos, sin)
            k = rotate(rms((y @ w["k"].T).view(b, n, kv, dim), w["kn"], eps).transpose(1, 2), cos, sin)
            v = (y @ w["v"].T).view(b, n, kv, dim).transpose(1, 2)
            if past:
                k, v = torch.cat([past[l][0], k], 2), torch.cat([past[l][1], v], 2)
            kept.append((k, v))
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
            x = x + y.transpose(1, 2).reshape(b, n, h * dim) @ w["o"].T
            y = rms(x, w["n2"], eps)
            x = x + (F.silu(y @ w["gate"].T) * (y @ w["up"].T)) @ w["down"].T
        return rms(x, self.norm, eps), kept


class Text:
    def __init__(self, model):
        self.t = Tokenizer.from_file(str(model / "tokenizer.json"))
        self.end = json.loads((model / "generation_config.json").read_text())["eos_token_id"]

    def ids(self, s):
        return self.t.encode(s, add_special_tokens=False).ids

    def prompt(self, p):
        return "<|user|>" + p["question"] + "<|assistant|>"  # as the lab's chat template has it


def pad(rows, value=0):
    n = max(map(len, rows))
    return torch.tensor([r + [value] * (n - len(r)) for r in rows])


def base_batch(text, problems):
    """Ids, positions, mask, and which rows predict which tokens; explicit and direct answers fork at <think>."""
    ids, pos, kinds, at, targets = [], [], [], [], []
    for i, p in enumerate(problems):
        lead = text.ids(text.prompt(p) + "<think>")
        answer = text.ids(p["answer"]) + [text.end]
        branches = [text.ids("\n") + text.ids(p["reasoning"]) + text.ids(CLOSE) + answer, text.ids("\n\n</think>\n\n") + answer]
        row, where, kind = list(lead), list(range(len(lead))), [0] * len(lead)
        for b, branch in enumerate(branches, 1):
            first = len(row)
            for j, token in enumerate(branch):
                at.append((i, len(lead) - 1 if j == 0 else first + j - 1))
                targets.append(token)
            row += branch[:-1]
            where += range(len(lead), len(lead) + len(branch) - 1)
            kind += [b] * (len(branch) - 1)
        ids.append(row), pos.append(where), kinds.append(kind)
    ids, pos, kinds = pad(ids), pad(pos), pad(kinds, 3)
    n = ids.shape[1]
    mask = torch.ones(n, n, dtype=torch.bool).tril()[None] & ((kinds[:, None, :] == 0) | (kinds[:, None, :] == kinds[:, :, None]))
    mask = mask | torch.eye(n, dtype=torch.bool)
    at = torch.tensor(at)
    return ids, pos, mask[:, None], at[:, 0], at[:, 1], torch.tensor(targets)


def sft_batch(text, problems, t):
    prompts = [text.ids(text.prompt(p) + "<think>\n") for p in problems]
    close = text.ids(CLOSE)
    answers = [text.ids(p["answer"]) + [text.end] for p in problems]
    lengths = torch.tensor([len(p) for p in prompts])
    ids = pad(prompts)
    b, n = ids.shape
    real = torch.arange(n)[None] < lengths[:, None]
    causal = lambda k: torch.ones(k, k, dtype=torch.bool).tril()[None].expand(b, k, k)
    question = (causal(n) & real[:, None, :]) | torch.eye(n, dtype=torch.bool)
    whole = torch.cat([real, torch.ones(b, t, dtype=torch.bool)], 1)
    reason = (causal(n + t) & whole[:, None, :]) | torch.eye(n + t, dtype=torch.bool)
    reason_pos = torch.cat([torch.arange(n)[None].expand(b, n), lengths[:, None] + torch.arange(t)], 1)
    tail = pad([close + a[:-1] for a in answers])
    m = t + tail.shape[1]
    tail_mask = torch.cat([real[:, None, :].expand(b, m, n), causal(m)], 2)
    at = [(i, t + len(close) - 1 + j) for i, a in enumerate(answers) for j in range(len(a))]
    at = torch.tensor(at)
    return dict(ids=ids, pos=torch.arange(n)[None].expand(b, n), question=question[:, None], reason=reason[:, None], reason_pos=reason_pos,
                tail=tail, tail_pos=lengths[:, None] + torch.arange(m), tail_mask=tail_mask[:, None], rows=at[:, 0], cols=at[:, 1],
                targets=torch.tensor([x for a in answers for x in a]))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("kind", choices=["base", "sft"])
    a.add_argument("--model", type=pathlib.Path, required=True)
    a.add_argument("--network", type=pathlib.Path)
    a.add_argument("--problems", type=pathlib.Path, required=True)
    a.add_argument("--batch", type=int, default=64)
    a.add_argument("--steps", type=int, default=30)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--lr", type=float, default=1e-3)
    a = a.parse_args()
    torch.set_num_threads(a.threads)
    text = Text(a.model)
    problems = [json.loads(line) for line in a.problems.read_text().splitlines()]
    read = lambda d: ({k: v.float() for k, v in load_file(d / "model.safetensors").items()}, json.loads((d / "config.json").read_text()))
    weights, c = read(a.model)
    base = Decoder(weights, "model.", c)
    emb = weights["model.embed_tokens.weight"]
    if a.kind == "base":
        trained = list(weights.values())

        def step(batch):
            ids, pos, mask, rows, cols, targets = base_batch(text, batch)
            hidden, _ = base(emb[ids], pos, mask)
            return F.cross_entropy(hidden[rows, cols] @ emb.T, targets)
    else:
        net, nc = read(a.network)
        t = nc["num_latent_tokens"]
        backbone = Decoder(net, "backbone.", nc["backbone"])
        trained = list(net.values())

        def step(batch):
            x = sft_batch(text, batch, t)
            b, n = x["ids"].shape
            with torch.no_grad():
                hidden, past = base(emb[x["ids"]], x["pos"], x["question"])
            u = torch.cat([hidden @ net["in_proj.weight"].T + net["in_proj.bias"], net["queries"][None].expand(b, -1, -1)], 1)
            z = backbone(u, x["reason_pos"], x["reason"])[0][:, n:] @ net["out_proj.weight"].T + net["out_proj.bias"]
            hidden, _ = base(torch.cat([z, emb[x["tail"]]], 1), x["tail_pos"], x["tail_mask"], past)
            return F.cross_entropy(hidden[x["rows"], x["cols"]] @ emb.T, x["targets"])
    for w in trained:
        w.requires_grad_(True)
    opt = torch.optim.AdamW(trained, lr=a.lr, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.01, fused=True)
    losses, times, used = [], [], []
    for s in range(a.steps):
        start, cpu = time.perf_counter(), time.process_time()
        batch = [problems[(s * a.batch + i) % len(problems)] for i in range(a.batch)]
        opt.zero_grad()
        loss = step(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        opt.step()
        losses.append(loss.item())
        times.append(time.perf_counter() - start)
        used.append(time.process_time() - cpu)
    median, cpu = (statistics.median(x[len(x) // 3:]) for x in (times, used))
    print(json.dumps(dict(engine="pytorch " + torch.__version__, kind=a.kind, losses=losses[:3], step_ms=1000 * median, cpu_ms=1000 * cpu, problems_per_second=a.batch / median)))


if __name__ == "__main__":
    main()
