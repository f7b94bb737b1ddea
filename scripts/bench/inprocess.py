"""Libraries beside engram, in process, one thread, one query a call: the table, and the curves for the plot.

    scripts/bench.sh runs it; by hand: python3 inprocess.py --contender PATH --out DIR [--rounds N] [--only NAME,NAME] ...
"""

import json
import os
import sys

import data
import draw
import flags
import race
from peers import PEERS, PLAIN

HERE = os.path.dirname(os.path.abspath(__file__))


def commands(args, chosen):
    """{name: command} of all contenders that are wanted."""
    files = [chosen.base, chosen.query, chosen.neighbors, str(chosen.dim)]
    out = {name: flags.engram(args, chosen, more) for name, more in flags.FORMS.items()}
    names = ("--base", "--query", "--neighbors", "--dim")
    words = [word for pair in zip(names, files) for word in pair]
    for name in PEERS:
        out[name] = [sys.executable, "-B", os.path.join(HERE, "peers.py"), name, *words]
    wanted = args.only.split(",") if args.only else list(out)
    unknown = set(wanted) - set(out)
    if unknown:
        sys.exit(f"no contender {', '.join(unknown)}; there are: {', '.join(out)}")
    return {name: command for name, command in out.items() if name in wanted}


def number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def table(contenders, rounds, clock):
    """The markdown tables: what each contender reaches, and each of engram's forms over each contender."""
    there = [contender for contender in contenders if contender.refusal is None]
    lines = [
        "| in process, one thread | q/s at 0.95 | less the call | q/s at 0.99 | less the call "
        "| build rows/s, 1 thread | 2 threads | recall at ef 65 | bytes/row | call, µs |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for contender in there:
        cells = [contender.name]
        for recall in race.RECALLS:
            cells += [number(race.median(contender.at(recall, less))) for less in (False, True)]
        cells += [number(race.median(contender.builds[threads])) for threads in (1, 2)]
        cells.append(number(contender.rounds[0].get(65, (None,))[0], 4))
        cells += [number(contender.bytes_per_row), number(contender.call_seconds * 1e6, 1)]
        lines.append("| " + " | ".join(cells) + " |")
    ours = [contender for contender in there if contender.name in flags.FORMS]
    heads = [f"{our.name} × at {recall}" for our in ours for recall in race.RECALLS] + [f"{our.name} × building" for our in ours]
    lines += ["", "| over | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for contender in there:
        cells = [race.ratio(our.at(recall, True), contender.at(recall, True)) for our in ours for recall in race.RECALLS]
        cells += [race.ratio(our.builds[1], contender.builds[1]) for our in ours]
        lines.append("| " + " | ".join([contender.name, *(number(cell, 2) for cell in cells)]) + " |")
    lines += [f"\n{contender.name}: refused: {contender.refusal}" for contender in contenders if contender.refusal]
    per = "each second of processor time" if clock == "cpu" else "each second"
    # What is built goes by the wall clock always.
    lines.append(
        f"\nMedians of {rounds} alternating rounds, queries for {per}, rows for each second; recall@10. Ratios are medians of the ratios "
        "within a round, less the cost of the Python call.\nPlain f32 at every step: " + ", ".join(PLAIN) + "."
    )
    return "\n".join(lines)


def main():
    args = flags.parse("engram beside libraries, in process.")
    os.makedirs(args.out, exist_ok=True)
    chosen = data.chosen(args, args.out)
    contenders = [race.Contender(name, command) for name, command in commands(args, chosen).items()]
    race.run(contenders, args.rounds, args.build_rounds, args.build_threads, args.seconds, args.clock)
    race.each(contenders, race.Contender.end)
    there = [contender for contender in contenders if contender.refusal is None]
    text = table(contenders, args.rounds, args.clock)
    print(text)
    with open(os.path.join(args.out, "inprocess.md"), "w") as file:
        file.write(text + "\n")
    with open(os.path.join(args.out, "inprocess.json"), "w") as file:
        json.dump({contender.name: vars_of(contender) for contender in there}, file, indent=1)
    draw.plot(
        os.path.join(args.out, "inprocess.svg"),
        "recall@10 against queries per second, one thread, less the cost of a Python call",
        {contender.name: contender.curve() for contender in there},
        draw.Axis("recall@10", kind="recall"),
        draw.Axis("queries per second", kind="log"),
        bold=list(flags.FORMS),
    )


def vars_of(contender):
    """What a contender measured, for other programs."""
    return {
        "build": contender.builds,
        "bytes_per_row": contender.bytes_per_row,
        "call_seconds": contender.call_seconds,
        "rounds": [{width: list(point) for width, point in points.items()} for points in contender.rounds],
    }


if __name__ == "__main__":
    main()
