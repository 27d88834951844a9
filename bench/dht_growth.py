#!/usr/bin/env python3
"""Draws how DHT lookups grow with the network: docs/pictures/dht-growth.svg.

    cargo run -p shoal-sim --example dht_growth > TABLE
    bench/dht_growth.py TABLE > docs/pictures/dht-growth.svg
    bench/dht_growth.py --markdown TABLE
"""
import math
import sys

PANELS = [
    ("Time of a lookup (ms)", [("first_ms", "first true peer, median"),
                               ("first_p95_ms", "the same, 95 of 100"),
                               ("done_ms", "all asked, median")]),
    ("Messages of a lookup, median", [("datagrams", "datagrams, in and out"),
                                      ("asked", "nodes asked")]),
    ("Memory of a node (KiB)", [("node_kib", "machine with its table")]),
]
COLOURS = ["#1f6feb", "#d29922", "#2da44e"]
MARKDOWN = [("nodes", "machines"), ("success", "found, %"), ("first_ms", "first peer, ms"),
            ("first_p95_ms", "95th, ms"), ("done_ms", "done, ms"), ("asked", "nodes asked"),
            ("datagrams", "datagrams"), ("endpoints", "endpoints"),
            ("flying_bytes", "peak bytes under way"), ("dead", "dead in tables, %"),
            ("sybils", "Sybils in tables, %"), ("node_kib", "KiB a node")]
WIDTH, HEIGHT, LEFT, TOP = 300, 210, 46, 62


def read(path):
    with open(path, encoding="utf-8") as file:
        names, *rows = [line.rstrip("\n").split("\t") for line in file if line.strip()]
    rows = [dict(zip(names, map(float, row))) for row in rows]
    for row in rows:
        row["node_kib"] = row["node_bytes"] / 1024
    return rows


def number(value):
    return "%d" % value if value == int(value) else "%.1f" % value


def markdown(rows):
    print("| " + " | ".join(title for _, title in MARKDOWN) + " |")
    print("|" + "---:|" * len(MARKDOWN))
    for row in rows:
        print("| " + " | ".join(number(row[name]) for name, _ in MARKDOWN) + " |")


def step(top):
    size = 10 ** math.floor(math.log10(top))
    return next(size * part for part in (0.2, 0.5, 1, 2) if top / (size * part) <= 6)


def panel(rows, title, lines, x0):
    low, high = math.log10(rows[0]["nodes"]), math.log10(rows[-1]["nodes"])
    top = max(row[name] for row in rows for name, _ in lines) * 1.08

    def x(row):
        return x0 + LEFT + (math.log10(row["nodes"]) - low) / (high - low) * (WIDTH - LEFT - 20)

    def y(value):
        return TOP + HEIGHT * (1 - value / top)

    yield f'<text x="{x0 + LEFT}" y="18" font-weight="bold">{title}</text>'
    tick, each = 0, step(top)
    while tick <= top:
        yield (f'<path d="M{x0 + LEFT} {y(tick):.1f}H{x0 + WIDTH - 20}" stroke="#d0d7de"/>'
               f'<text x="{x0 + LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
        tick += each
    for row in rows:
        yield (f'<text x="{x(row):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">'
               f'{number(row["nodes"])}</text>')
    for at, (name, label) in enumerate(lines):
        colour = COLOURS[at]
        points = " ".join(f"{x(row):.1f},{y(row[name]):.1f}" for row in rows)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for row in rows:
            yield f'<circle cx="{x(row):.1f}" cy="{y(row[name]):.1f}" r="3" fill="{colour}"/>'
        yield f'<text x="{x0 + LEFT}" y="{32 + 13 * at}" fill="{colour}">{label}</text>'


def svg(rows):
    width, height = WIDTH * len(PANELS), TOP + HEIGHT + 48
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">')
    yield f'<rect width="{width}" height="{height}" fill="white"/>'
    for at, (title, lines) in enumerate(PANELS):
        yield from panel(rows, title, lines, at * WIDTH)
    yield (f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">'
           'machines in the network (37 % of them dead; a tenth of all hosts are Sybils)</text>')
    yield "</svg>"


def main():
    args = sys.argv[1:]
    if args[:1] == ["--markdown"] and len(args) == 2:
        markdown(read(args[1]))
    elif len(args) == 1:
        print("\n".join(svg(read(args[0]))))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
