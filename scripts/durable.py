"""What durable writes cost: acknowledged writes a second with --fsync always, beside the disk's own syncs and redis-server with
appendfsync always; and what others feel of it, on a disk as it is and on one whose every sync takes long.

    scripts/durable.sh [--rounds 5] [--seconds 3] [--dim 384] [--slow 50]

Standard library only. All load comes from benches/client.rs, closed-loop. The rounds alternate between all that is measured;
what is printed are medians over the rounds. One directory on the disk of the working directory holds everything.
"""

import argparse
import os
import random
import statistics
import time

from engramlib import Scratch, Server, die_cleanly, pack
from loads import Program

CONNECTIONS = (1, 8, 64)
KEYS = 10_000


def sync_micros(folder, ahead, syncs=400, length=150):
    """Median microseconds of a write of `length` bytes and its fdatasync: at a file's end, or over bytes that are there."""
    path = os.path.join(folder, "syncs")
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    if ahead:
        os.pwrite(file, bytes(1 << 20), 0)
        os.fsync(file)
    took = []
    for n in range(syncs):
        begun = time.perf_counter()
        os.pwrite(file, b"x" * length, n * length)
        os.fdatasync(file)
        took.append((time.perf_counter() - begun) * 1e6)
    os.close(file)
    os.unlink(path)
    return statistics.median(took)


class Loads:
    """The requests, made once."""

    def __init__(self, args):
        rng = random.Random(7)
        value = "v" * 100
        self.args = args
        self.sets = [("SET", f"key:{rng.randrange(KEYS)}", value) for _ in range(KEYS)]
        vectors = [pack([rng.gauss(0, 1) for _ in range(args.dim)]) for _ in range(500)]
        self.adds = [("VADD", "durable", f"row:{n}", vectors[n % len(vectors)]) for n in range(60_000)]

    def run(self, server, commands, connections, pause_us=0, wait=True):
        program = Program(self.args.client, server.port, commands, connections, self.args.seconds, 1, pause_us).start()
        return program.finish() if wait else program


def start(folder, name, args=(), redis=False):
    path = os.path.join(folder, name)
    os.mkdir(path)
    server = Server(path, args=args, redis=redis).start()
    if not redis:
        with server.client() as client:
            client.call("VNEW", "durable", ARGS.dim)
    return server


def rates(folder, loads, rounds):
    """Writes a second and their median microseconds: {(who, what, connections): [(rate, p50), ..]}, and the disk's."""
    figures, disk = {}, {True: [], False: []}
    plain = start(folder, "plain", ["--log-room", "0"])
    engram, redis = start(folder, "engram"), start(folder, "redis", redis=True)
    for number in range(rounds):
        for ahead in disk:
            disk[ahead].append(sync_micros(folder, ahead))
        for connections in CONNECTIONS:
            served = [("engram", "SET", engram), ("no room", "SET", plain), ("redis", "SET", redis), ("engram", "VADD", engram)]
            for who, what, server in served:
                told = loads.run(server, loads.sets if what == "SET" else loads.adds, connections)
                figures.setdefault((who, what, connections), []).append((told["per_second"], told["p50_us"]))
        print(f"round {number + 1} of {rounds}", flush=True)
    for server in (plain, engram, redis):
        server.kill()
    return figures, {ahead: statistics.median(took) for ahead, took in disk.items()}


def show_rates(figures, disk):
    print(f"\nthe disk: write and fdatasync of 150 bytes at a file's end {disk[False]:.0f} us, over bytes that are there {disk[True]:.0f} us")
    print(f"{'':<8} {'':<5} {'connections':>11} {'writes/s':>10} {'p50 us':>9} {'over its 1':>10} {'over redis':>10}")
    for (who, what, connections), told in figures.items():
        rate, p50 = (statistics.median(one[at] for one in told) for at in (0, 1))
        own = statistics.median(a[0] / b[0] for a, b in zip(told, figures[who, what, 1]))
        theirs = figures.get(("redis", what, connections))
        beside = f"{statistics.median(a[0] / b[0] for a, b in zip(told, theirs)):.2f}" if theirs else ""
        print(f"{who:<8} {what:<5} {connections:>11} {rate:>10,.0f} {p50:>9.0f} {own:>10.2f} {beside:>10}")
    one = statistics.median(told[1] for told in figures["engram", "SET", 1])
    print(f"a SET of one connection takes {one / disk[True]:.2f} of the disk's shorter sync, {one / disk[False]:.2f} of the longer")


def bystanders(folder, loads, slow):
    """PING and GET of an idle connection while 64 others write."""
    print(f"\n{'milliseconds, on a connection of its own':<44} {'median':>9} {'p99':>9} {'max':>9}   writes/s")
    for millis in (0, slow):
        if millis:
            os.environ.update(LD_PRELOAD=ARGS.slow_library, SLOW_SYNC_MS=str(millis))
        server = start(folder, f"beside-{millis}")
        os.environ.pop("LD_PRELOAD", None)
        with server.client() as client:
            client.call("SET", "still", "here")
        for name, command, lines in (("PING", ("PING",), 1), ("GET", ("GET", "still"), 2)):
            writers = loads.run(server, loads.sets, 64, wait=False)
            look = Program(ARGS.client, server.port, [command], 1, ARGS.seconds, lines, 1000).start().finish()
            wrote = writers.finish()["per_second"]
            told = [look[f"{of}_us"] / 1000 for of in ("p50", "p99", "max")]
            label = f"{name}, each sync takes {f'{millis} ms more' if millis else 'what it takes'}"
            print(f"{label:<44} {told[0]:>9.3f} {told[1]:>9.3f} {told[2]:>9.3f}   {wrote:,.0f}", flush=True)
        server.kill()


def main():
    with Scratch(os.path.join(os.getcwd(), "engram-")) as scratch:
        folder = scratch.path
        loads = Loads(ARGS)
        show_rates(*rates(folder, loads, ARGS.rounds))
        bystanders(folder, loads, ARGS.slow)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Acknowledged writes with --fsync always.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--slow", type=int, default=50, help="milliseconds that a slow disk's sync takes more")
    parser.add_argument("--client", required=True, help="the program of benches/client.rs")
    parser.add_argument("--slow-library", required=True, help="slowsync.c, compiled")
    ARGS = parser.parse_args()
    die_cleanly()
    main()
