"""How long PING takes on its own connection: idle, under searches, under searches and an inserter, during VSAVE.

    python3 scripts/ping.py [--base FILE.f32 --query FILE.f32 --dim N] [--seconds 30] [--fsync always]

Standard library only; without files the demo's sample is loaded. The load comes from other processes; on a machine with
few cores they and the server compete with the client that measures, so its own wait for a core is in the figures.
"""

import argparse
import os
import sys
import time

from engramlib import Client, Rows, Scratch, Server, die_cleanly, quantile
from loads import Repeater, Searchers, load, search_requests

SAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sample")
K = 10


def pings(port, seconds, pause):
    """The seconds each PING took."""
    took, until = [], time.monotonic() + seconds
    with Client(port) as client:
        while time.monotonic() < until:
            begun = time.perf_counter()
            if client.call("PING") != "PONG":
                sys.exit("PING was not answered with PONG")
            took.append(time.perf_counter() - begun)
            if pause:
                time.sleep(pause)
    return took


def report(name, took, extra=""):
    p50, p99, p999, longest = (quantile(took, q) * 1000 for q in (0.5, 0.99, 0.999, 1.0))
    print(f"{name:<28} {p50:>9.3f} {p99:>9.3f} {p999:>9.3f} {longest:>9.3f} {len(took):>9}   {extra}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="PING latency under load.")
    parser.add_argument("--base", default=f"{SAMPLE}/texts.f32")
    parser.add_argument("--query", default=f"{SAMPLE}/queries.f32")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--seconds", type=float, default=30, help="seconds per row of the table")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two PINGs (0: back to back)")
    parser.add_argument("--searchers", type=int, default=8)
    parser.add_argument("--ef", type=int, default=80)
    parser.add_argument("--fsync", default="always", choices=["always", "everysec", "no"])
    parser.add_argument("--server-args", default="")
    args = parser.parse_args()
    die_cleanly()
    rows, queries = Rows(args.base, args.dim), Rows(args.query, args.dim)
    requests = search_requests("ping", queries, K, args.ef)
    with Scratch("engram-ping-") as scratch:
        flags = ["--fsync", args.fsync, *args.server_args.split()]
        server = Server(os.path.join(scratch.path, "data"), args=flags).start()
        with server.client() as client:
            client.call("VNEW", "ping", args.dim)
        seconds = load(server.port, "ping", rows, args.searchers)
        print(f"{len(rows)} x {args.dim} loaded in {seconds:.1f} s; fsync {args.fsync}; EF {args.ef}; {args.seconds:.0f} s each")
        print(f"{'PING, milliseconds':<28} {'median':>9} {'p99':>9} {'p99.9':>9} {'max':>9} {'PINGs':>9}")

        report("idle", pings(server.port, args.seconds, args.pause))

        searchers = Searchers(server.port, requests, K, args.searchers).start()
        took = pings(server.port, args.seconds, args.pause)
        rate, _ = searchers.stop()
        report(f"{args.searchers} search", took, f"{rate:,.0f} searches/s")

        searchers = Searchers(server.port, requests, K, args.searchers).start()
        inserter = Repeater(server.port, lambda n: ("VADD", "ping", f"new{n}", rows[n % len(rows)])).start()
        took = pings(server.port, args.seconds, args.pause)
        inserts, (rate, _) = inserter.stop(), searchers.stop()
        report(f"{args.searchers} search, 1 inserts", took, f"{rate:,.0f} searches/s, {inserts:,.0f} inserts/s")

        saver = Repeater(server.port, lambda n: ("VSAVE",)).start()
        took = pings(server.port, args.seconds, args.pause)
        report("VSAVE after VSAVE", took, f"{saver.stop():.1f} saves/s")
        server.terminate()
    print("ping: done")


if __name__ == "__main__":
    main()
