"""A chart of the bench's figures, as SVG: python3 chart.py FIGURES.json >CHART.svg

FIGURES.json is what `make bench JSON=FIGURES.json` wrote.  A bar is a median in
milliseconds on a scale of powers of ten, shorter is faster; a group of bars is
one thing that was measured, of the variant named with --variant.
"""

import argparse
import json
import math
from xml.sax.saxutils import escape

SIDES = [("heap", "#9aa0a6"), ("heap parallel", "#5f6368"), ("no-op FDW", "#dadce0"),
         ("pgstrom", "#34a853"), ("arrow", "#1a73e8"), ("DuckDB", "#f9ab00"), ("C loop", "#a142f4")]
BAR, GAP, LEFT, WIDTH, TOP = 11, 14, 300, 900, 56


def shown(ms):
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}"


def chart(figures, variant):
    """The SVG text of the figures of one variant."""
    rows = [f for f in figures["figures"] if f["variant"] == variant]
    medians = [s["median_ms"] for r in rows for s in r["sides"].values()]
    low = math.floor(math.log10(min(medians)))
    high = math.ceil(math.log10(max(medians)))

    def x(ms):
        return LEFT + (math.log10(ms) - low) / (high - low) * (WIDTH - LEFT - 60)

    parts, y = [], TOP
    for row in rows:
        middle = y + BAR * len(row["sides"]) / 2 + 4
        parts.append(f'<text x="{LEFT - 10}" y="{middle:.0f}" text-anchor="end">{escape(row["name"])}</text>')
        for side, colour in SIDES:
            if side not in row["sides"]:
                continue
            ms = row["sides"][side]["median_ms"]
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{x(ms) - LEFT:.1f}" height="{BAR - 2}" fill="{colour}"/>')
            parts.append(f'<text x="{x(ms) + 4:.1f}" y="{y + 8}" font-size="9">{shown(ms)}</text>')
            y += BAR
        y += GAP
    grid = []
    for power in range(low, high + 1):
        grid.append(f'<line x1="{x(10 ** power):.1f}" y1="{TOP - 6}" x2="{x(10 ** power):.1f}" y2="{y - GAP}"'
                    ' stroke="#e8eaed"/>')
        grid.append(f'<text x="{x(10 ** power):.1f}" y="{y + 4}" text-anchor="middle" fill="#5f6368">'
                    f'{10 ** power:g} ms</text>')
    legend, at = [], 10
    for side, colour in SIDES:
        if any(side in r["sides"] for r in rows):
            legend.append(f'<rect x="{at}" y="30" width="10" height="10" fill="{colour}"/>'
                          f'<text x="{at + 14}" y="39">{escape(side)}</text>')
            at += 34 + 7 * len(side)
    m = figures["machine"]
    title = (f"{m['rows']:,} rows of 16 columns ({variant}), {m['threads']} threads, {escape(m['cpu'])},"
             f" PostgreSQL {m['postgresql'].split()[0]}, {m['date']}; medians, shorter is faster")
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 14}"'
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{y + 14}" fill="#ffffff"/>',
        f'<text x="10" y="18" font-weight="bold">{title}</text>', *legend, *grid, *parts, "</svg>"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("figures")
    parser.add_argument("--variant", default="numeric")
    options = parser.parse_args()
    with open(options.figures) as f:
        print(chart(json.load(f), options.variant))


if __name__ == "__main__":
    main()
