"""How long PING takes on its own connection, and what searches are left: idle, under searches, under searches and an
inserter, during VSAVE.

    scripts/ping.sh [--base FILE.f32 --query FILE.f32 --dim N] [--seconds 30] [--fsync always] [--redis [PROGRAM]]

Standard library only; without files the demo's sample is loaded. All load comes from benches/client.rs (--client), a process
for each kind of client. On a machine with few cores they and the server compete, so a wait for a core is in the
figures; what they would be with nothing to compete about is the first line of each kind.
"""

import argparse
import itertools
import os
import sys

from engramlib import Client, Rows, Scratch, Server, die_cleanly
from loads import Program

SAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sample")
K = 10
# Requests that the inserter has ready: it begins again with overwriting when it has sent them all. Whole pipelines of them.
FRESH = 100_000
# Commands that the pipelining inserter has under way at once.
DEPTH = 16


class Engram:
    """How to ask engram."""

    name, save = "engram", ("VSAVE",)

    def __init__(self, args, folder):
        flags = ["--fsync", args.fsync, *args.server_args.split()]
        self.server = Server(os.path.join(folder, "engram"), args=flags).start()
        with self.server.client() as client:
            client.call("VNEW", "ping", args.dim, "M", 16, "EF_CONSTRUCTION", 200)

    def add(self, key, vector):
        return ("VADD", "ping", key, vector)

    def search(self, vector, ef):
        return ("VSEARCH", "ping", vector, K, "EF", ef)


class Redis:
    """How to ask a redis-server with vector sets."""

    name, save = "redis", None

    def __init__(self, args, folder):
        os.mkdir(os.path.join(folder, "redis"))
        self.server = Server(os.path.join(folder, "redis"), redis=True, program=args.redis or None).start()
        with Client(self.server.port) as client:
            if client.call("COMMAND", "INFO", "VADD") == [None]:
                sys.exit("this redis-server has no vector sets")

    def add(self, key, vector):
        return ("VADD", "ping", "FP32", vector, key, "NOQUANT", "EF", 200, "M", 16)

    def search(self, vector, ef):
        return ("VSIM", "ping", "FP32", vector, "WITHSCORES", "COUNT", K, "EF", ef)


class Table:
    """Runs the loads against one server and prints a line for each."""

    def __init__(self, args, served, rows, queries):
        self.args, self.served, self.port = args, served, served.server.port
        self.searches = [served.search(queries[at], args.ef) for at in range(len(queries))]
        self.rows = rows

    def program(self, commands, connections, lines=1, seconds=None, **more):
        seconds = self.args.seconds if seconds is None else seconds
        return Program(self.args.client, self.port, commands, connections, seconds, lines, **more)

    def fill(self):
        adds = (self.served.add(row, self.rows[row]) for row in range(len(self.rows)))
        told = self.program(adds, 32, seconds=0).start().finish()
        print(f"{self.served.name}: {len(self.rows)} x {self.args.dim} loaded, {told['per_second']:,.0f} rows/s; EF {self.args.ef}")

    def line(self, name, searching=0, inserting=0, saving=False):
        """PINGs beside the loads; returns searches a second. `inserting` is how many VADDs one connection has under way."""
        search = self.program(self.searches, searching, lines=1 + 4 * K) if searching else None
        fresh = (self.served.add(f"{name} {n}", self.rows[n % len(self.rows)]) for n in itertools.count())
        insert = self.program(itertools.islice(fresh, FRESH), 1, depth=inserting) if inserting else None
        save = self.program([self.served.save], 1) if saving else None
        ping = self.program([("PING",)], 1, pause_us=int(self.args.pause * 1e6))
        busy = {"searches": search, "inserts": insert, "saves": save}
        busy = {what: program.start() for what, program in busy.items() if program}
        took = ping.start().finish()
        told = {what: program.finish() for what, program in busy.items()}
        p50, p99, p999, longest = (took[f"{name}_us"] / 1000 for name in ("p50", "p99", "p999", "max"))
        extra = ", ".join(f"{one['per_second']:,.{0 if one['per_second'] > 50 else 1}f} {what}/s" for what, one in told.items())
        print(f"{name:<30} {p50:>9.3f} {p99:>9.3f} {p999:>9.3f} {longest:>9.3f} {took['requests']:>9.0f}   {extra}", flush=True)
        return told["searches"]["per_second"] if search else 0.0

    def run(self):
        self.fill()
        print(f"{'PING, milliseconds':<30} {'median':>9} {'p99':>9} {'p99.9':>9} {'max':>9} {'PINGs':>9}")
        many = self.args.searchers
        self.line("idle")
        alone = self.line(f"{many} search", searching=many)
        self.line("1 inserts", inserting=1)
        self.line(f"1 inserts, pipelined by {DEPTH}", inserting=DEPTH)
        beside = self.line(f"{many} search, 1 inserts", searching=many, inserting=1)
        piped = self.line(f"{many} search, 1 pipelines", searching=many, inserting=DEPTH)
        print(f"searches beside a writer that waits for each answer: {beside / alone:.2f} of those without;")
        print(f"beside one that has {DEPTH} under way: {piped / alone:.2f}")
        if self.served.save:
            self.line("VSAVE after VSAVE", saving=True)


def main():
    parser = argparse.ArgumentParser(description="PING latency and searches under load.")
    parser.add_argument("--base", default=f"{SAMPLE}/texts.f32")
    parser.add_argument("--query", default=f"{SAMPLE}/queries.f32")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--seconds", type=float, default=30, help="seconds per row of the table")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two PINGs (0: back to back)")
    parser.add_argument("--searchers", type=int, default=8)
    parser.add_argument("--ef", type=int, default=80)
    parser.add_argument("--fsync", default="always", choices=["always", "everysec", "no"])
    parser.add_argument("--server-args", default="")
    parser.add_argument("--client", required=True, help="the program of benches/client.rs")
    parser.add_argument("--redis", nargs="?", const="", help="the same against a redis-server with vector sets")
    args = parser.parse_args()
    die_cleanly()
    rows, queries = Rows(args.base, args.dim), Rows(args.query, args.dim)
    kinds = [Engram] if args.redis is None else [Engram, Redis]
    with Scratch("engram-ping-") as scratch:
        for kind in kinds:
            served = kind(args, scratch.path)
            Table(args, served, rows, queries).run()
            served.server.terminate()
    print("ping: done")


if __name__ == "__main__":
    main()
