#!/usr/bin/env python3
"""What the same checkpoint does in PyTorch on this GPU: pytorch_decode.py MODEL [--quick]. Needs torch and transformers.

Prints one JSON line: the plain copy bandwidth (bytes read plus written), prefill, and decoding at batch 1 in bf16 after 256
tokens, both by transformers' generate and by a static cache with torch.compile (one CUDA graph a step).
"""
import json, statistics, sys, time
import torch
from transformers import AutoModelForCausalLM, StaticCache

CONTEXT, STEPS = 256, 64


def seconds(run, times):
    run()
    taken = []
    for _ in range(times):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def copy_bandwidth():
    a = torch.empty(1 << 30, dtype=torch.uint8, device="cuda").random_()
    b = torch.empty_like(a)
    return 2 * a.numel() / seconds(lambda: b.copy_(a), 20) / 1e9


@torch.inference_mode()
def main():
    times = 2 if "--quick" in sys.argv else 5
    model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.bfloat16).cuda().eval()
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    if not model.config.tie_word_embeddings:
        size -= model.get_input_embeddings().weight.numel() * 2
    ids = torch.randint(0, model.config.vocab_size, (1, CONTEXT), device="cuda")
    result = dict(engine="pytorch " + torch.__version__, model=sys.argv[1].rstrip("/").split("/")[-1], device=torch.cuda.get_device_name(),
                  copy_gigabytes_per_second=copy_bandwidth(), weight_bytes_per_token=size)
    result["prefill_tokens_per_second"] = CONTEXT / seconds(lambda: model(ids, use_cache=True), times)

    options = dict(do_sample=False, min_new_tokens=STEPS + 1, max_new_tokens=STEPS + 1, pad_token_id=0)
    one = dict(options, min_new_tokens=1, max_new_tokens=1)
    generate = lambda o: model.generate(ids, attention_mask=torch.ones_like(ids), **o)
    result["generate_tokens_per_second"] = STEPS / (seconds(lambda: generate(options), times) - seconds(lambda: generate(one), times))

    cache = StaticCache(config=model.config, max_cache_len=CONTEXT + STEPS + 8)
    step = torch.compile(lambda token, at: model(token, past_key_values=cache, cache_position=at, use_cache=True).logits[:, -1:].argmax(-1),
                         mode="reduce-overhead", fullgraph=True)
    model(ids, past_key_values=cache, cache_position=torch.arange(CONTEXT, device="cuda"), use_cache=True)

    def decode():
        token = ids[:, -1:]
        for i in range(STEPS):
            token = step(token, torch.tensor([CONTEXT + i], device="cuda")).clone()

    decode()  # compiles
    result["compiled_tokens_per_second"] = STEPS / seconds(decode, times)
    print(json.dumps(result))


main()
