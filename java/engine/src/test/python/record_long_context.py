#!/usr/bin/env python3
"""Writes what transformers does beyond a model's first context: tiny checkpoints with sliding windows and with linear RoPE
scaling, their hidden states and logits in float32, and the RoPE frequencies of every scaling.

usage: record_long_context.py ../resources/long-context       (needs torch, transformers >= 5, safetensors)
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.qwen3.modeling_qwen3 import Qwen3RotaryEmbedding

KEPT = 40  # rows of every case that are recorded: the last ones


def randomize(model, generator):
    """Weights large enough that every path changes the logits."""
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            noise = torch.randn(p.shape, generator=generator)
            if "norm" in name:
                p.copy_(1 + 0.2 * noise)
            elif p.dim() == 1:
                p.copy_(0.3 * noise)
            else:
                p.copy_(noise * 1.4 / p.shape[-1] ** 0.5)


def checkpoint(out, model, lengths):
    generator = torch.Generator().manual_seed(len(out.name))
    randomize(model, generator)
    model.save_pretrained(out)
    (out / "generation_config.json").unlink()
    cases, tensors = [], {}
    for i, n in enumerate(lengths):
        ids = torch.randint(model.config.vocab_size, (1, n), generator=generator)
        with torch.no_grad():
            hidden = model.model(ids).last_hidden_state[0][-KEPT:]
            tensors[f"case{i}.hidden"] = hidden.contiguous()
            tensors[f"case{i}.logits"] = model.lm_head(hidden).contiguous()
        cases.append(ids[0].tolist())
    save_file(tensors, out / "expected.safetensors")
    (out / "expected.json").write_text(json.dumps(cases))


def frequencies(head_dim, theta, scaling, qwen=False):
    make = Qwen3Config if qwen else LlamaConfig
    config = make(hidden_size=64, num_attention_heads=2, head_dim=head_dim, max_position_embeddings=8192,
                  rope_parameters=dict(rope_theta=theta, **scaling))
    rope = (Qwen3RotaryEmbedding if qwen else LlamaRotaryEmbedding)(config)
    positions = [0, 1, 2, 17, 255, 4095, 8191] if head_dim <= 32 else []
    cos, sin = rope(torch.zeros(1), torch.tensor([positions]))
    half = head_dim // 2
    return dict(head_dim=head_dim, theta=theta, scaling=scaling, inverse=rope.inv_freq.tolist(),
                attention_factor=rope.attention_scaling, positions=positions,
                cos=cos[0, :, :half].tolist(), sin=sin[0, :, :half].tolist())


def main(out):
    sizes = dict(vocab_size=61, hidden_size=24, intermediate_size=36, num_hidden_layers=3, num_attention_heads=4,
                 rms_norm_eps=1e-6, bos_token_id=None, eos_token_id=1, pad_token_id=None)
    checkpoint(out / "qwen2-window", Qwen2ForCausalLM(Qwen2Config(
        num_key_value_heads=2, use_sliding_window=True, sliding_window=7, max_window_layers=1, max_position_embeddings=512,
        rope_parameters=dict(rope_type="default", rope_theta=10000.0), **sizes)).eval(), [1, 7, 8, 40, 300])
    checkpoint(out / "llama-linear", LlamaForCausalLM(LlamaConfig(
        num_key_value_heads=4, head_dim=10, max_position_embeddings=512,
        rope_parameters=dict(rope_type="linear", factor=4.0, rope_theta=10000.0), **sizes)).eval(), [1, 40, 300])
    yarn = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=2048)
    llama3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=1024)
    (out / "rope.json").write_text(json.dumps([
        frequencies(16, 10000.0, dict(rope_type="default")),
        frequencies(128, 1000000.0, dict(rope_type="default"), qwen=True),
        frequencies(64, 500000.0, dict(rope_type="linear", factor=4.0)),
        frequencies(10, 10000.0, dict(rope_type="linear", factor=2.5)),
        frequencies(64, 500000.0, llama3),
        frequencies(128, 500000.0, dict(llama3, factor=32.0, original_max_position_embeddings=8192)),
        frequencies(64, 10000.0, yarn, qwen=True),
        frequencies(128, 1000000.0, dict(yarn, original_max_position_embeddings=4096, attention_factor=0.75)),
        frequencies(64, 10000.0, dict(yarn, beta_fast=16, beta_slow=2, truncate=False)),
        frequencies(32, 150000.0, dict(yarn, factor=32.0, mscale=0.707, mscale_all_dim=1.0)),
    ]))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
