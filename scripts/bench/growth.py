"""Search time and recall as an index grows: made sets of 128 dimensions, engram in process, one thread.

    scripts/growth.sh [--sizes 10000 100000 1000000] [--ef 20 .. ] runs it. Each size is a set of its own of the same kind. For each
ef the time of a search is fitted to a + b ln(rows); the plot shows the points and the fits. Seconds are those that the process
had a core. The million takes minutes to build and 2 GB of memory.
"""

import argparse
import math
import os

import data
import draw
import race

RECALL = 0.95


def parse_args():
    parser = argparse.ArgumentParser(description="Search time and recall as an index grows.")
    parser.add_argument("--contender", required=True, help="the program of benches/contender.rs")
    parser.add_argument("--out", required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000, 1_000_000])
    parser.add_argument("--ef", type=int, nargs="+", default=[20, 40, 80, 160, 320, 640])
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--engram", default="", help="more flags for engram's program")
    return parser.parse_args()


def measure(args, rows):
    """{ef: (recall, microseconds a search)} and rows a second, of one size."""
    made = data.made(os.path.join(args.out, f"made-{rows}x{args.dim}"), rows, args.dim)
    files = [made.base, made.query, made.neighbors, str(args.dim)]
    contender = race.Contender(f"{rows} rows", [args.contender, *files, *args.engram.split()])
    contender.build(2)
    rounds = [contender.search(args.seconds, args.ef, "cpu") for _ in range(args.rounds)]
    contender.end()
    race.say(f"{rows:,} rows: built at {contender.builds[2][0]:,.0f} rows/s")
    points = {ef: (rounds[0][ef][0], 1e6 / race.median([points[ef][1] for points in rounds])) for ef in args.ef}
    return points, contender.builds[2][0], contender.bytes_per_row


def fit(points):
    """(a, b, r squared) of y = a + b ln x by least squares."""
    xs, ys = [math.log(x) for x, _ in points], [y for _, y in points]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    across = sum((x - x_mean) ** 2 for x in xs)
    slope = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys)) / across if across else 0.0
    start = y_mean - slope * x_mean
    left = sum((y - start - slope * x) ** 2 for x, y in zip(xs, ys))
    spread = sum((y - y_mean) ** 2 for y in ys)
    return start, slope, 1 - left / spread if spread else 1.0


def at_recall(points):
    """Microseconds a search at the recall, between two ef."""
    speed = race.speed_at([(recall, 1e6 / took) for recall, took in points.values()], RECALL)
    return 1e6 / speed if speed else None


def main():
    args = parse_args()
    os.makedirs(args.out, exist_ok=True)
    found = {rows: measure(args, rows) for rows in sorted(args.sizes)}
    lines = [
        f"| rows x {args.dim} | " + " | ".join(f"ef {ef}: recall, µs" for ef in args.ef) + f" | µs at {RECALL} | build rows/s, 2 threads | bytes/row |",
        "|---" * (len(args.ef) + 4) + "|",
    ]
    for rows, (points, rate, size) in found.items():
        cells = [f"{rows:,}"] + [f"{recall:.4f}, {took:.1f}" for recall, took in points.values()]
        reached = at_recall(points)
        cells += ["-" if reached is None else f"{reached:.1f}", f"{rate:,.0f}", f"{size:,.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    series = {f"ef {ef}": [(rows, points[ef][1]) for rows, (points, _, _) in found.items()] for ef in args.ef}
    reached = [(rows, at_recall(points)) for rows, (points, _, _) in found.items()]
    series[f"recall {RECALL}"] = [point for point in reached if point[1]]
    curves, dashed = {}, []
    lines.append("")
    for name, points in series.items():
        if len(points) < 2:
            continue
        start, slope, share = fit(points)
        lines.append(f"{name}: {start:.1f} + {slope:.2f} ln(rows) µs, r² {share:.3f}; ten times the rows: {slope * math.log(10):+.1f} µs")
        curves[name] = points
        told = f"{start:.0f} {slope:+.1f} ln n"
        first, last = math.log(points[0][0]), math.log(points[-1][0])
        steps = [math.exp(first + (last - first) * step / 40) for step in range(41)]
        curve = [(rows, start + slope * math.log(rows)) for rows in steps]
        curves[f"{name}: {told}"] = [point for point in curve if point[1] > 0]
        dashed.append(f"{name}: {told}")
    print("\n".join(lines))
    with open(os.path.join(args.out, "growth.md"), "w") as file:
        file.write("\n".join(lines) + "\n")
    title = f"a search as the index grows, {args.dim}-d, one thread; dashed: a + b ln(rows)"
    axes = draw.Axis("rows"), draw.Axis("microseconds a search")
    draw.plot(os.path.join(args.out, "growth.svg"), title, curves, *axes, dashed=dashed)


if __name__ == "__main__":
    main()
