#!/usr/bin/env python3
"""Draws the training curves of models/train as SVG: curves.py OUT FILE.svg (Python's own library is all it needs)."""
import json, pathlib, sys

WIDTH, HEIGHT, LEFT, TOP, GAP = 300, 200, 50, 30, 70
PANELS = [("base", "loss", "base: loss"), ("base", "eval_accuracy", "base: explicit, held out"), ("sft", "loss", "SFT: loss"),
          ("sft", "eval_accuracy", "SFT: latent, held out"), ("more", "loss", "SFT, once more: loss"),
          ("more", "eval_accuracy", "SFT, once more: latent, held out"), ("grpo", "reward", "GRPO: reward"), ("grpo", "eval_reward", "GRPO: latent, held out")]


def panel(points, title, column, row):
    x0, y0 = LEFT + column * (WIDTH + GAP), TOP + row * (HEIGHT + GAP)
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    low, high = (0, 1) if "loss" not in title else (0, sorted(ys)[int(0.97 * (len(ys) - 1))] * 1.1)
    place = lambda p: f"{x0 + WIDTH * p[0] / max(xs):.1f},{y0 + HEIGHT * (1 - (min(p[1], high) - low) / (high - low)):.1f}"
    yield f'<text x="{x0}" y="{y0 - 8}">{title}</text>'
    yield f'<rect x="{x0}" y="{y0}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>'
    for part in range(5):
        value, y = low + (high - low) * part / 4, y0 + HEIGHT * (1 - part / 4)
        yield f'<line x1="{x0}" x2="{x0 + WIDTH}" y1="{y}" y2="{y}" stroke="#eee"/><text x="{x0 - 6}" y="{y + 4}" text-anchor="end">{value:.2g}</text>'
    yield f'<text x="{x0 + WIDTH}" y="{y0 + HEIGHT + 16}" text-anchor="end">step {max(xs)}</text>'
    yield f'<polyline fill="none" stroke="#06c" stroke-width="1.5" points="{" ".join(map(place, points))}"/>'


def main(out, file):
    svg = []
    panels = [p for p in PANELS if (out / p[0] / "metrics.jsonl").exists()]
    for i, (stage, key, title) in enumerate(panels):
        lines = [json.loads(line) for line in (out / stage / "metrics.jsonl").read_text().splitlines()]
        points = [(x["step"], x[key]) for x in lines if key in x]
        if len(points) > 400:
            size = len(points) // 200
            points = [(c[-1][0], sum(p[1] for p in c) / len(c)) for c in (points[j:j + size] for j in range(0, len(points), size))]
        svg += panel(points, title, i % 2, i // 2)
    width, height = LEFT + 2 * (WIDTH + GAP), TOP + (len(panels) + 1) // 2 * (HEIGHT + GAP)
    file.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">'
                    f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(svg) + "\n</svg>\n")


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
