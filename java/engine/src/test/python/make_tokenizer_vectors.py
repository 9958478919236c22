"""Records what the Hugging Face tokenizers do with random text and random ids.

    python make_tokenizer_vectors.py TOKENIZERS OUT

TOKENIZERS holds the directories qwen3, qwen2.5, minimind2-small and tiny, each with a tokenizer.json
and tokenizer_config.json (tiny is conformance/qwen3-tied-bf16). OUT gets random.json.gz:

    {"texts": [...],                                  random text from every plane, and what is known to be hard
     "ids": {"qwen3": ["1 2 3", ...], "qwen2.5": [...]},  of each text, no special tokens added
     "decoded": {"qwen3": [["1 2 3", "all", "without special tokens"], ...], "qwen2.5", ..., "tiny"}}

Made with transformers 5.18 and tokenizers 0.23.2. The generator is seeded: a second run gives the same file.
"""

import gzip
import json
import random
import sys
from pathlib import Path

from transformers import AutoTokenizer

WORDS = ["don't", "I'LL", "we've", "it's", "'S", "x=1", "3.14159", "1234567890", "naïve", "e\u0301", "한국어",
         "数学题", "これは", "مرحبا", "हिन्दी", "ก็", "👩\u200d👩\u200d👧", "🇩🇪", "👍🏽", "\ufb01", "Ω", "Å", "\ufffd",
         "<think>", "</think>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_start", "<think", "<tool_call>"]
SPACES = [" ", "  ", "\t", "\n", "\n\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\xa0", "\u1680", "\u2003", "\u2028",
          "\u2029", "\u202f", "\u3000", "\u200b", "\ufeff", "\0"]
RANGES = [(0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x600), (0x600, 0x900), (0x900, 0x1100),
          (0x1100, 0x1200), (0x2000, 0x2C00), (0x3000, 0xA000), (0xAC00, 0xD7A4), (0xF900, 0xFFFE),
          (0x1F000, 0x20000)] + [(p << 16, (p + 1) << 16) for p in range(17)]


def character(r):
    while True:
        low, high = r.choice(RANGES)
        c = r.randrange(low, high)
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def text(r):
    kind = r.randrange(4)
    parts = []
    for _ in range(r.randrange(1, 25)):
        pick = r.random()
        if kind == 0 or pick < 0.3:
            parts.append(character(r))
        elif pick < 0.6:
            parts.append(r.choice(WORDS))
        elif pick < 0.8:
            parts.append(r.choice(SPACES) * r.choice([1, 1, 1, 2, 5]))
        else:
            parts.append("".join(r.choice("abcdefgnrstuvwxyzABC0123456789.,!?'-_/") for _ in range(r.randrange(1, 9))))
    return "".join(parts)


def main(source, target):
    r = random.Random(20261123)
    texts = [text(r) for _ in range(2000)]
    join = lambda ids: " ".join(map(str, ids))
    tokenizers = {name: AutoTokenizer.from_pretrained(source / name)
                  for name in ("qwen3", "qwen2.5", "minimind2-small", "tiny")}
    ids = {name: [join(tokenizers[name].encode(t, add_special_tokens=False)) for t in texts]
           for name in ("qwen3", "qwen2.5")}
    decoded = {}
    for name, tok in tokenizers.items():
        size = len(tok)
        rows = []
        for i in range(150):
            n = r.randrange(1, 30)
            if i % 3 == 0:  # the first 256 are single bytes, which make and break UTF-8
                some = [r.randrange(300) for _ in range(n)]
            elif i % 3 == 1:
                some = [r.randrange(size + 3) for _ in range(n)]  # three ids without a token
            else:
                some = tok.encode(text(r), add_special_tokens=False)
                some = [x for x in some if r.random() < 0.9]
            rows.append([join(some), tok.decode(some), tok.decode(some, skip_special_tokens=True)])
        decoded[name] = rows
    data = json.dumps({"texts": texts, "ids": ids, "decoded": decoded}, separators=(",", ":")).encode()
    (target / "random.json.gz").write_bytes(gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
