"""The sets that the benchmarks run on: packed f32 files with exact neighbours, given or made.

A made set is the same on every machine: points of a few latent directions around clustered centres, turned into `dim`
dimensions, with some noise of its own in each. Its neighbours are exact by cosine (candidates in f32, order in f64).
"""

import os
from collections import namedtuple

import numpy

Set = namedtuple("Set", "base query neighbors dim")
KEPT = 100


def add_arguments(parser):
    """The flags that name a set; without them one is made."""
    parser.add_argument("--base", help="packed little-endian f32 rows (default: a set made here)")
    parser.add_argument("--query", help="packed rows to search for")
    parser.add_argument("--neighbors", help="packed u32: rows of base for each query, nearest first by cosine")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the made set")


def chosen(args, folder):
    """The set that the flags name, or the made one, kept in `folder`."""
    if args.base:
        if not args.query or not args.neighbors:
            raise SystemExit("--base needs --query, --neighbors and --dim")
        return Set(args.base, args.query, args.neighbors, args.dim)
    return made(os.path.join(folder, f"made-{args.rows}x{args.dim}"), args.rows, args.dim)


def made(folder, rows, dim, queries=500):
    """A made set in `folder`; one that is there already is used."""
    made_set = Set(*(os.path.join(folder, name) for name in ("base.f32", "query.f32", "neighbors.u32")), dim)
    if not os.path.exists(made_set.neighbors):
        os.makedirs(folder, exist_ok=True)
        base, query = clustered(rows, dim, queries)
        base.tofile(made_set.base)
        query.tofile(made_set.query)
        neighbors(base, query).tofile(made_set.neighbors + ".part")
        os.rename(made_set.neighbors + ".part", made_set.neighbors)
    return made_set


def clustered(rows, dim, queries, seed=7):
    """(rows, queries): unit vectors around 300 centres in 64 latent directions."""
    random = numpy.random.default_rng(seed)
    latent = min(64, dim)
    centres = random.standard_normal((300, latent), dtype="f4")
    turn = random.standard_normal((latent, dim), dtype="f4") / numpy.float32(latent**0.5)

    def points(count):
        out = centres[random.integers(len(centres), size=count)]
        out = (out + 1.3 * random.standard_normal((count, latent), dtype="f4")) @ turn
        out += 0.3 * random.standard_normal((count, dim), dtype="f4")
        return unit(out).astype("<f4")

    return points(rows), points(queries)


def unit(rows):
    """The rows, each divided by its length."""
    lengths = numpy.sqrt(numpy.einsum("ij,ij->i", rows, rows, dtype="f8"))
    return rows / numpy.maximum(lengths, 1e-30).astype("f4")[:, None]


def neighbors(base, query, kept=KEPT):
    """The rows of base nearest to each query by cosine, nearest first, as u32."""
    base, query = unit(base), unit(query)
    kept = min(kept, len(base))
    out = numpy.empty((len(query), kept), dtype="<u4")
    for at, row in enumerate(query):
        near = base @ row
        close = numpy.argpartition(-near, min(kept + 20, len(base) - 1))[: kept + 20]
        exact = base[close].astype("f8") @ row.astype("f8")
        out[at] = close[numpy.lexsort((close, -exact))][:kept]
    return out


def read(chosen_set):
    """(base, query, neighbors) as arrays; base and query have unit length."""
    base = unit(numpy.fromfile(chosen_set.base, dtype="<f4").reshape(-1, chosen_set.dim))
    query = unit(numpy.fromfile(chosen_set.query, dtype="<f4").reshape(-1, chosen_set.dim))
    near = numpy.fromfile(chosen_set.neighbors, dtype="<u4").reshape(len(query), -1)
    return base, query, near
