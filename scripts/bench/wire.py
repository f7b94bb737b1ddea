"""Over the wire: engram in one form or several (`--forms`) beside redis-server's vector sets, one and eight connections, and
beside two threads in process. Engram builds in process and over the wire in turns, so that their ratio is one of neighbours.

All servers write a log, in a directory that is removed afterwards, and nobody waits for its syncs: `--server-args "--fsync always"` has
engram's wait.

    scripts/bench.sh runs it. REDIS_SERVER=PATH names another redis-server than the one on the PATH.

The client is benches/client.rs; how many PINGs a second it gets out of the server is in the table, and must lie well above
the searches. A redis-server without vector sets is left out: then the figures of a measured Redis 8 and of a server with one lock
stand in, scaled by what hnswlib does here and did there, if inprocess.py has measured it into the same folder.
"""

import json
import os
import shutil
import subprocess
import sys

import data
import draw
import flags
import race

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from engramlib import ReplyError, Rows, Scratch, Server, die_cleanly  # noqa: E402
from loads import Program  # noqa: E402

K = 10
CONNECTIONS = (1, 8)
LOADING = 32
# Measured once on another machine, 60,000 rows x 384: queries a second at recall 0.95 and 0.99, eight connections.
ELSEWHERE = {"Redis 8.6.3 vector set (best form)": (8_800, 4_200), "HNSW behind one RwLock": (9_400, 4_000)}
HNSWLIB_ELSEWHERE = (14_100, 5_500)
DIM_ELSEWHERE = 384


class Served:
    """A server with the set in it in one form, and how to ask it."""

    def __init__(self, name, server, form):
        self.name, self.server, self.form = name, server, form
        self.recalls, self.rounds = {}, {}  # width -> recall; (connections) -> [{width: (recall, queries/s)}, ..]
        self.fills = []  # rows a second, by round

    def create(self, dim):
        with self.server.client() as client:
            client.call("DEL", "bench")
            client.call("VNEW", "bench", dim, "METRIC", "cosine", "M", 16, "EF_CONSTRUCTION", 200, "QUANT", self.form)

    def add(self, row, vector):
        return ("VADD", "bench", row, vector)

    def search(self, vector, width):
        return ("VSEARCH", "bench", vector, K, "EF", width)


class VectorSet(Served):
    """Redis 8's vector set, as f32 or as int8."""

    def create(self, dim):
        with self.server.client() as client:
            client.call("DEL", "bench")

    def add(self, row, vector):
        return ("VADD", "bench", "FP32", vector, row, self.form, "EF", 200, "M", 16)

    def search(self, vector, width):
        return ("VSIM", "bench", "FP32", vector, "WITHSCORES", "COUNT", K, "EF", width)


def has_vector_sets(program):
    """Whether this redis-server knows VADD."""
    server = Server(redis=True, program=program).start()
    with server.client() as client:
        known = client.call("COMMAND", "INFO", "VADD")
    server.kill()
    return bool(known and known[0])


def servers(args, folder):
    """Those that run here, engram's forms first, and a remark on what does not."""

    def started(name, *flags, **more):
        os.mkdir(os.path.join(folder, name))
        return Server(os.path.join(folder, name), args=flags, **more).start()

    ours = [(form, started(form, "--fsync", "no", *args.server_args.split())) for form in args.forms]
    out, remark = [Served(f"engram {form}", server, form) for form, server in ours], ""
    program = os.environ.get("REDIS_SERVER") or shutil.which("redis-server")
    if program and has_vector_sets(program):
        for name, form in (("Redis f32", "NOQUANT"), ("Redis int8", "Q8")):
            server = started(name, "--appendfsync", "no", redis=True, program=program)
            out.append(VectorSet(name, server, form))
    else:
        version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout if program else ""
        version = version.split("sha=")[0].strip() or "no redis-server"
        remark = f"{version} here has no vector sets (REDIS_SERVER names another)."
    return out, remark


def recall(served, queries, truth, width):
    found = 0
    with served.server.client() as client:
        replies = client.pipeline([served.search(queries[at], width) for at in range(len(queries))], depth=32)
    for reply, near in zip(replies, truth):
        if isinstance(reply, ReplyError):
            sys.exit(f"{served.name}: {reply}")
        found += len(near.intersection(int(key) for key in reply[::2]))
    return found / (K * len(queries))


def asked(args, served, commands, connections, seconds, lines=1):
    """What the client tells of these commands against this server."""
    return Program(args.client, served.server.port, commands, connections, seconds, lines).start().finish()


def fill(served, args, chosen):
    """Fills the server, anew where it has been."""
    rows = Rows(chosen.base, chosen.dim)
    served.create(chosen.dim)
    adds = (served.add(row, rows[row]) for row in range(len(rows)))
    served.fills.append(asked(args, served, adds, LOADING, 0)["per_second"])
    race.say(f"{served.name}: {served.fills[-1]:,.0f} rows/s over {LOADING} connections")


def build(all_served, threads, args, chosen):
    """Rows a second in process and over the wire, in turns; the other servers are filled once."""
    for _ in range(args.wire_builds):
        for same, inside in zip(all_served, threads):
            inside.build(2)
            race.say(f"{inside.name}: {inside.builds[2][-1]:,.0f} rows/s")
            fill(same, args, chosen)
    for served in all_served[len(threads) :]:
        fill(served, args, chosen)


def prepare(served, chosen, truth):
    """Finds the widths around the two recalls."""
    queries = Rows(chosen.query, chosen.dim)
    for width in race.WIDTHS:
        served.recalls[width] = recall(served, queries, truth, width)
        if served.recalls[width] > max(race.RECALLS) + 0.004:
            break
    served.widths = around(served.recalls)


def around(recalls):
    """The widths next to the two recalls on either side."""
    out = set()
    for wanted in race.RECALLS:
        below = [width for width, recall in recalls.items() if recall < wanted]
        above = [width for width, recall in recalls.items() if recall >= wanted]
        out.update(below[-1:] + above[:1])
    return sorted(out)


def measure(served, args, chosen):
    """One round of one server."""
    queries = Rows(chosen.query, chosen.dim)
    for connections in CONNECTIONS:
        points = {}
        for width in served.widths:
            commands = [served.search(queries[at], width) for at in range(len(queries))]
            told = asked(args, served, commands, connections, args.wire_seconds, 1 + 4 * K)
            points[width] = (served.recalls[width], told["per_second"])
        served.rounds.setdefault(connections, []).append(points)


def speeds(rounds, recall):
    return [race.speed_at(points.values(), recall) for points in rounds]


def number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def table(all_served, threads, pings, out, dim):
    """The markdown table of what was measured, and of what stands in. `threads` are two in process, for each of engram's
    forms in their order; they are compared with the same form, everything else with the first."""
    wanted = [(connections, recall) for connections in CONNECTIONS for recall in race.RECALLS]
    lines = [
        "| over the wire | 1 conn, 0.95 | 1 conn, 0.99 | 8 conns, 0.95 | 8 conns, 0.99 | engram × (8, 0.95) | × (8, 0.99) | insert rows/s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    ours = all_served[0]
    for served in all_served:
        cells = [served.name] + [number(race.median(speeds(served.rounds[c], r))) for c, r in wanted]
        cells += [number(race.ratio(speeds(ours.rounds[8], r), speeds(served.rounds[8], r)), 2) for r in race.RECALLS]
        lines.append("| " + " | ".join([*cells, number(race.median(served.fills))]) + " |")
    for same, inside in zip(all_served, threads):
        cells = [inside.name, "-", "-"] + [number(race.median(speeds(inside.rounds, r))) for r in race.RECALLS]
        cells += [number(race.ratio(speeds(same.rounds[8], r), speeds(inside.rounds, r)), 2) for r in race.RECALLS]
        lines.append("| " + " | ".join([*cells, number(race.median(inside.builds[2]))]) + " |")
    lines += stand_ins(ours, out, dim)
    for same, inside in zip(all_served, threads):
        pairs = [fill / built for fill, built in zip(same.fills, inside.builds[2])]
        told = ", ".join(f"{pair:.2f}" for pair in pairs)
        lines.append(f"\n{same.name} builds over the wire at {race.median(pairs):.2f} of two threads in process (in turns: {told}).")
    for connections, rate in pings.items():
        lines.append(f"\nPINGs a second by the same client, {connections} connections: {rate:,.0f}.")
    return lines


def stand_ins(ours, out, dim):
    """Lines for servers that were measured elsewhere, scaled by hnswlib's ratio between there and here."""
    if dim != DIM_ELSEWHERE:
        return [f"\nServers measured elsewhere had {DIM_ELSEWHERE} dimensions: no figures of theirs for {dim}."]
    measured = os.path.join(out, "inprocess.json")
    if not os.path.exists(measured):
        return ["\nServers measured elsewhere are left out: the part `inprocess` has not run here."]
    with open(measured) as file:
        hnswlib = json.load(file).get("hnswlib")
    if not hnswlib:
        return []
    call = hnswlib["call_seconds"]
    here = [
        race.median([race.speed_at(map(tuple, points.values()), recall, call) for points in hnswlib["rounds"]])
        for recall in race.RECALLS
    ]
    lines = []
    for name, there in ELSEWHERE.items():
        scaled = [there[at] * here[at] / HNSWLIB_ELSEWHERE[at] if here[at] else None for at in (0, 1)]
        mine = [race.median(speeds(ours.rounds[8], recall)) for recall in race.RECALLS]
        ratios = [number(mine[at] / scaled[at] if mine[at] and scaled[at] else None, 2) for at in (0, 1)]
        lines.append("| " + " | ".join([f"{name}, scaled", "-", "-", *map(number, scaled), *ratios, "-"]) + " |")
    scale = " and ".join(number(here[at] / HNSWLIB_ELSEWHERE[at] if here[at] else None, 2) for at in (0, 1))
    lines.append(f"\nScaled: measured elsewhere on 60,000 x 384, times hnswlib here over hnswlib there ({scale}).")
    return lines


def main():
    args = flags.parse("engram beside other servers, over the wire.")
    die_cleanly()
    os.makedirs(args.out, exist_ok=True)
    chosen = data.chosen(args, args.out)
    truth = [set(row[:K].tolist()) for row in data.read(chosen)[2]]
    with Scratch("engram-wire-") as scratch:
        all_served, remark = servers(args, scratch.path)
        text, curves = measured(args, chosen, truth, all_served, remark)
        for served in all_served:
            served.server.kill()
    print(text)
    with open(os.path.join(args.out, "wire.md"), "w") as file:
        file.write(text + "\n")
    axes = draw.Axis("recall@10", kind="recall"), draw.Axis("queries per second", kind="log")
    draw.plot(os.path.join(args.out, "wire.svg"), "recall@10 against queries per second, over the wire", curves, *axes)


def measured(args, chosen, truth, all_served, remark):
    """All that is measured: the tables as text, and the curves for the plot."""
    threads = [
        race.Contender(f"engram {form}, two threads in process", flags.engram(args, chosen, ["--quant", form]))
        for form in args.forms
    ]
    build(all_served, threads, args, chosen)
    for served in all_served:
        prepare(served, chosen, truth)
    pings = {
        connections: asked(args, all_served[0], [("PING",)], connections, args.wire_seconds)["per_second"]
        for connections in CONNECTIONS
    }
    for number_ in range(args.rounds):
        for served in all_served:
            measure(served, args, chosen)
        for same, inside in zip(all_served, threads):
            os.sched_setaffinity(inside.process.pid, race.CORES)
            inside.rounds.append(inside.search(args.wire_seconds, same.widths, "wall", threads=2))
        race.say(f"wire round {number_ + 1}/{args.rounds}")
    for inside in threads:
        inside.end()
    lines = table(all_served, threads, pings, args.out, chosen.dim)
    lines.append(f"\nMedians of {args.rounds} alternating rounds of {args.wire_seconds:g} s a figure, closed loop. {remark}")
    curves = {
        f"{served.name}, {connections} connections": [
            (served.recalls[width], race.median([points[width][1] for points in rounds])) for width in served.widths
        ]
        for served in all_served
        for connections, rounds in served.rounds.items()
    }
    return "\n".join(lines), curves


if __name__ == "__main__":
    main()
