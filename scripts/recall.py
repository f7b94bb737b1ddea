"""Recall and speed over the wire: loads a packed f32 set with known neighbours and searches it at several EF.

    scripts/recall.sh --base base.f32 --query query.f32 --neighbors neighbors.u32 [--dim 384] [--port P | --dir DIR] ...

Needs redis-py and numpy (scripts/recall.sh brings them). Without files it measures the demo's sample, whose neighbours it
then computes itself. recall@10 is the share of the true ten that were found; the exact scan must give the file's
neighbours, where equal distances may trade places.
"""

import argparse
import os
import sys

import numpy
import redis

from engramlib import Rows, Server, die_cleanly
from loads import load, search_requests, searches

K = 10
SAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sample")


def parse_args():
    parser = argparse.ArgumentParser(description="Recall and speed over the wire.")
    parser.add_argument("--base", default=f"{SAMPLE}/texts.f32", help="packed little-endian f32 rows to store")
    parser.add_argument("--query", default=f"{SAMPLE}/queries.f32", help="packed rows to search for")
    parser.add_argument("--neighbors", help="packed u32: rows of base for each query, nearest first")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--metric", choices=["cosine", "l2", "dot"], default="cosine")
    parser.add_argument("--m", type=int, default=16)
    parser.add_argument("--ef-construction", type=int, default=200)
    parser.add_argument("--ef", type=int, nargs="+", default=[20, 40, 80, 160])
    parser.add_argument("--port", type=int, help="a running server (default: starts its own)")
    parser.add_argument("--dir", help="data directory for the server it starts (default: memory only)")
    parser.add_argument("--server-args", default="", help="more flags for the server it starts")
    parser.add_argument("--index", default="recall")
    parser.add_argument("--loaded", action="store_true", help="the index is already there: only search")
    parser.add_argument("--connections", type=int, default=8, help="connections that load, and search in the second column")
    parser.add_argument("--seconds", type=float, default=5, help="seconds of searching per figure")
    return parser.parse_args()


def as_matrix(path, dim):
    return numpy.fromfile(path, dtype="<f4").reshape(-1, dim).astype(numpy.float64)


def distances(metric, query, rows):
    """float64 distances of one query to rows, as the wire defines them."""
    if metric == "l2":
        return numpy.sqrt(((rows - query) ** 2).sum(axis=1))
    product = rows @ query
    if metric == "dot":
        return -product
    lengths = numpy.sqrt((rows**2).sum(axis=1) * (query**2).sum())
    return 1 - numpy.divide(product, lengths, out=numpy.zeros_like(product), where=lengths > 0)


def neighbors(args, base, queries):
    """The true ten rows of each query: the file's, or computed."""
    if args.neighbors:
        return numpy.fromfile(args.neighbors, dtype="<u4").reshape(len(queries), -1)[:, :K]
    return numpy.array([numpy.argsort(distances(args.metric, q, base), kind="stable")[:K] for q in queries])


def found(client, index, queries, *options):
    """The rows found for each query, and the distances as the server gave them, by a redis-py pipeline."""
    rows, reported = [], []
    for start in range(0, len(queries), 50):
        pipe = client.pipeline(transaction=False)
        for at in range(start, min(start + 50, len(queries))):
            pipe.execute_command("VSEARCH", index, queries[at], K, *options)
        for reply in pipe.execute():
            rows.append([int(key) for key in reply[::2]])
            reported.append([float(distance) for distance in reply[1::2]])
    return rows, reported


def check_exact(args, client, packed, base, queries, truth):
    """Counts the queries whose exact answer is not the file's, save for rows at equal distance."""
    rows, reported = found(client, args.index, packed, "EXACT")
    wrong, traded = 0, 0
    for query, got, told, expected in zip(queries, rows, reported, truth):
        true_distances = distances(args.metric, query, base[expected])
        got_distances = distances(args.metric, query, base[got])
        if len(got) != K or not numpy.allclose(got_distances, true_distances, rtol=1e-5, atol=1e-6):
            wrong += 1
        elif not numpy.allclose(told, got_distances, rtol=1e-4, atol=1e-5):
            wrong += 1
        elif got != list(expected):
            traded += 1
    print(f"exact scan: {len(queries) - wrong} of {len(queries)} queries give the true {K} ({traded} with equal distances traded)")
    return wrong


def main():
    args = parse_args()
    die_cleanly()
    rows, packed = Rows(args.base, args.dim), Rows(args.query, args.dim)
    base, queries = as_matrix(args.base, args.dim), as_matrix(args.query, args.dim)
    truth = neighbors(args, base, queries)
    port = args.port or Server(args.dir, args=args.server_args.split()).start().port
    client = redis.Redis(port=port, socket_timeout=120)
    print(f"{len(rows)} x {args.dim}, {args.metric}, M {args.m}, EF_CONSTRUCTION {args.ef_construction}; {len(packed)} queries")
    if not args.loaded:
        options = ["METRIC", args.metric, "M", args.m, "EF_CONSTRUCTION", args.ef_construction]
        client.execute_command("VNEW", args.index, args.dim, *options)
        seconds = load(port, args.index, rows, args.connections)
        print(f"build: {len(rows) / seconds:,.0f} vectors/s ({seconds:.1f} s, {args.connections} connections)")
    wrong = check_exact(args, client, packed, base, queries, truth)
    many = args.connections
    print(f"{'EF':>5} {'recall@10':>10} {'1 connection/s':>15} {'p50 ms':>7} {'p99 ms':>7} {f'{many} connections/s':>16} {'p50 ms':>7} {'p99 ms':>7}")
    for ef in args.ef:
        hits, _ = found(client, args.index, packed, "EF", ef)
        recall = sum(len(set(got) & set(map(int, want))) for got, want in zip(hits, truth)) / truth.size
        requests = search_requests(args.index, packed, K, ef)
        one = searches(port, requests, K, 1, args.seconds)
        more = searches(port, requests, K, many, args.seconds)
        print(f"{ef:>5} {recall:>10.4f} {one[0]:>15,.0f} {one[1]:>7.2f} {one[2]:>7.2f} {more[0]:>16,.0f} {more[1]:>7.2f} {more[2]:>7.2f}", flush=True)
    print("recall: done" if not wrong else f"recall: FAILED, {wrong} exact answers are wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
