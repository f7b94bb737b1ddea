"""A plot as an SVG file, written by hand: lines with points, an axis of logarithms or of recall, a legend at the ends."""

import math
from collections import namedtuple
from xml.sax.saxutils import escape

# kind: "log" (powers of ten), or "recall" (how much is missing, as a logarithm, so that 0.9, 0.99, 0.999 are even steps).
Axis = namedtuple("Axis", "label kind", defaults=("log",))
COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#bcbd22", "#e377c2", "#7f7f7f", "#393b79", "#637939", "#843c39")
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 1000, 620, 80, 50, 260, 60
RECALL_TICKS = (0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995)


def place(axis, value):
    """Where a value lies on its axis, in the axis' own units."""
    if axis.kind == "recall":
        return -math.log10(max(1 - value, 2e-4))
    return math.log10(value)


def ticks(axis, low, high):
    """[(place, label)] between two places."""
    if axis.kind == "recall":
        values = [(tick, f"{tick:g}") for tick in RECALL_TICKS]
    else:
        powers = range(math.floor(low) - 1, math.ceil(high) + 1)
        values = [(step * 10.0**power, f"{step * 10.0**power:,g}") for power in powers for step in (1, 2, 5)]
    at = [(place(axis, value), label) for value, label in values]
    return [(where, label) for where, label in at if low - 1e-9 <= where <= high + 1e-9]


def span(places):
    low, high = min(places), max(places)
    margin = max((high - low) * 0.04, 0.02)
    return low - margin, high + margin


def plot(path, title, lines, across, up, bold=(), dashed=()):
    """Writes lines = {name: [(x, y), ..]} to path; names in `bold` are drawn thicker, those in `dashed` without points."""
    lines = {name: sorted(points) for name, points in lines.items() if points}
    if not lines:
        return
    left, right = span([place(across, x) for points in lines.values() for x, _ in points])
    bottom, top = span([place(up, y) for points in lines.values() for _, y in points])

    def x_of(where):
        return LEFT + (where - left) / (right - left) * (WIDTH - LEFT - RIGHT)

    def y_of(where):
        return HEIGHT - BOTTOM - (where - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="28" font-size="17">{escape(title)}</text>',
    ]
    for where, label in ticks(across, left, right):
        x = x_of(where)
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{label}</text>')
    for where, label in ticks(up, bottom, top):
        y = y_of(where)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text x="{middle}" y="{HEIGHT - 15}" text-anchor="middle">{escape(across.label)}</text>')
    out.append(f'<text x="20" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 20 {HEIGHT / 2})">{escape(up.label)}</text>')
    for at, (name, points) in enumerate(lines.items()):
        colour, thick = COLOURS[at % len(COLOURS)], 3.5 if name in bold else 1.5
        shape = [(x_of(place(across, x)), y_of(place(up, y))) for x, y in points]
        dash = ' stroke-dasharray="6 4"' if name in dashed else ""
        path_points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape)
        out.append(f'<polyline points="{path_points}" fill="none" stroke="{colour}" stroke-width="{thick}"{dash}/>')
        if name not in dashed:
            out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{thick + 0.5}" fill="{colour}"/>' for x, y in shape]
        y = TOP + 12 + 22 * at
        start = WIDTH - RIGHT + 18
        out.append(f'<line x1="{start}" y1="{y}" x2="{start + 24}" y2="{y}" stroke="{colour}" stroke-width="{thick}"{dash}/>')
        out.append(f'<text x="{start + 32}" y="{y + 4}">{escape(name)}</text>')
    out.append("</svg>\n")
    with open(path, "w") as file:
        file.write("\n".join(out))
