"""What a snapshot costs those who work beside it: PING and searches while snapshots are made, asked for or because the log
has grown, beside the same without; the memory that it takes; and how soon a start answers from it.

    scripts/snapshots.sh [--base FILE.f32 --query FILE.f32 --dim N] [--rows 300000] [--seconds 20] [--tail 10000]

Standard library only; without files the demo's sample is loaded. More rows than the file has are spliced from two each.
Memory is the process's private memory (RssAnon), which a map of the snapshot is not part of.
"""

import argparse
import itertools
import os
import threading
import time

from engramlib import Rows, Scratch, Server, Spliced, die_cleanly
from loads import Program
from restart import crash_and_start

SAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sample")
K = 10
INDEX = "restart"
MIB = 1 << 20


class Memory:
    """Watches the private memory of a process while something runs."""

    def __init__(self, process):
        self.path, self.peak, self.over = f"/proc/{process.pid}/status", 0, threading.Event()
        self.before = self.now()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def now(self):
        with open(self.path) as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon:"))

    def _watch(self):
        while not self.over.wait(0.01):
            self.peak = max(self.peak, self.now())

    def stop(self):
        """Bytes over those at the beginning, at most."""
        self.over.set()
        self.thread.join()
        return max(0, self.peak - self.before)


class Bench:
    def __init__(self, args, server, rows, queries):
        self.args, self.server, self.rows = args, server, rows
        self.searches = [("VSEARCH", INDEX, query, K, "EF", args.ef) for query in queries]

    def program(self, commands, connections, lines=1, seconds=None, pause_us=0):
        seconds = self.args.seconds if seconds is None else seconds
        return Program(self.args.client, self.server.port, commands, connections, seconds, lines, pause_us).start()

    def snapshots(self):
        return self.server.log_text().count("is durable: ")

    def line(self, name, writes=None):
        """PINGs and searches for a while, beside `writes`, sent by one connection without pause."""
        time.sleep(1)
        made, memory = self.snapshots(), Memory(self.server.process)
        search = self.program(self.searches, self.args.searchers, lines=1 + 4 * K)
        write = self.program(writes, 1) if writes else None
        ping = self.program([("PING",)], 1, pause_us=1000)
        took, told = ping.finish(), search.finish()
        wrote = write.finish() if write else None
        made = self.snapshots() - made
        p50, p99, longest = (took[f"{of}_us"] / 1000 for of in ("p50", "p99", "max"))
        extra = f", {wrote['per_second']:,.1f} such commands/s" if wrote else ""
        print(
            f"{name:<44} {p50:>7.3f} {p99:>7.3f} {longest:>8.3f} {told['per_second']:>10,.0f} {memory.stop() / MIB:>8.1f}   "
            f"{made} snapshots{extra}",
            flush=True,
        )
        return told["per_second"]

    def beside(self):
        value = os.urandom(1 << 16)
        # The log grows by 64 KiB with each; old values are given back, so that memory shows what the snapshot takes.
        big = [("SET", f"big:{n}", value) for n in range(64)]
        settings = lambda **words: [self.call("CONFIG", "SET", name.replace("_", "-"), word) for name, word in words.items()]
        print(f"{'':<44} {'PING ms':>7} {'p99':>7} {'max':>8} {'searches/s':>10} {'MiB more':>8}")
        alone = self.line(f"{self.args.searchers} search")
        saving = self.line(f"{self.args.searchers} search, VSAVE after VSAVE", [("VSAVE",)])
        print(f"  searches while snapshots are made without pause: {saving / alone:.2f} of those without")
        written = self.line(f"{self.args.searchers} search, 64 KiB values are set", big)
        settings(snapshot_log_bytes="16mb")
        both = self.line("  the same, snapshots as the log grows", big)
        print(f"  searches then: {both / written:.2f} of those without snapshots")
        settings(snapshot_log_bytes="0")

    def call(self, *words):
        with self.server.client(timeout=600) as client:
            return client.call(*words)


def starts(bench, expected, rounds):
    """Seconds to ready, and to the answer of a search, after kill -9 with a warm page cache; the median of some."""
    ready, answered, server = [], [], bench.server
    for _ in range(rounds):
        begun = time.monotonic()
        server = crash_and_start(server, expected, INDEX)
        ready.append(server.seconds_to_ready)
        with server.client() as client:
            asked = time.monotonic()
            found = client.call(*bench.searches[0])
            answered.append(server.seconds_to_ready + time.monotonic() - asked)
        assert len(found) == 2 * K, f"a search found {len(found) // 2} of {K}, {time.monotonic() - begun:.1f} s after the kill"
    bench.server = server
    middle = lambda times: sorted(times)[len(times) // 2]
    print(f"ready in {middle(ready):.3f} s, first search answered after {middle(answered):.3f} s (medians of {rounds})", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Searches beside snapshots, and starts from them.")
    parser.add_argument("--base", default=f"{SAMPLE}/texts.f32")
    parser.add_argument("--query", default=f"{SAMPLE}/queries.f32")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rows", type=int, default=0, help="how many vectors (default: those of the file)")
    parser.add_argument("--tail", type=int, default=10_000, help="vectors behind the snapshot, at the last starts")
    parser.add_argument("--seconds", type=float, default=20, help="seconds per row of the table")
    parser.add_argument("--searchers", type=int, default=8)
    parser.add_argument("--ef", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=5, help="starts per figure")
    parser.add_argument("--client", required=True, help="the program of benches/client.rs")
    args = parser.parse_args()
    die_cleanly()
    rows, queries = Rows(args.base, args.dim), Rows(args.query, args.dim)
    count = args.rows or len(rows)
    rows = Spliced(rows, count + args.tail)
    with Scratch(os.path.join(os.getcwd(), "engram-snapshots-")) as scratch:
        flags = ["--snapshot-log-bytes", "0", "--fsync", "everysec"]
        server = Server(os.path.join(scratch.path, "data"), args=flags).start()
        bench = Bench(args, server, rows, queries)
        bench.call("VNEW", INDEX, args.dim)
        adds = lambda part: (("VADD", INDEX, row, rows[row]) for row in part)
        told = bench.program(adds(range(count)), 32, seconds=0).finish()
        print(f"{count} x {args.dim} loaded, {told['per_second']:,.0f} a second")
        begun = time.monotonic()
        bench.call("VSAVE")
        print(f"VSAVE took {time.monotonic() - begun:.2f} s")
        starts(bench, count, args.rounds)
        bench.beside()
        bench.call("VSAVE")
        bench.program(adds(range(count, count + args.tail)), 32, seconds=0).finish()
        print(f"{args.tail} more in the log's tail: ", end="")
        starts(bench, count + args.tail, args.rounds)
        bench.server.kill()
    print("snapshots: done")


if __name__ == "__main__":
    main()
