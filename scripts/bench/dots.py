"""Nanoseconds a dot product: engram's kernels beside NumPy's BLAS, faiss and simsimd, and beside the machine's read bandwidth.

    scripts/kernels.sh [--rounds N] [--dim D]: rows in the first-level cache, in the second-level one, and streaming from memory.

All take turns, round by round; medians are shown. A library computes one query against all rows in one call. What the call costs
is not in the figures where rows are few: they come from the difference between many passes in a call and half as many. Seconds are those
that the process had a core. From memory, the share says how much of the machine's read bandwidth is used.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import numpy

CORES = sorted(os.sched_getaffinity(0))
PLACES = {"L1": 30 << 10, "L2": 600 << 10, "memory": 300 << 20}  # bytes of rows


class Engram:
    """benches/dots.rs, which answers a line with a line."""

    def __init__(self, program):
        self.process = subprocess.Popen([program, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.kernels = self.ask("kernels")

    def ask(self, words):
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        name, *answer = self.process.stdout.readline().split()
        if name == "error":
            sys.exit(f"dots: {words}")
        return answer

    def dot(self, kernel, dim, rows, passes):
        return float(self.ask(f"dot {kernel} {dim} {rows} {passes}")[0])

    def bandwidth(self, size, passes):
        return float(self.ask(f"read {size} {passes}")[0])


def repeated(array, times):
    """The array so many times over, in the same memory."""
    return numpy.lib.stride_tricks.as_strided(array, (times, *array.shape), (0, *array.strides))


def numpy_dots(query, rows):
    out = {}

    def run(passes):
        if passes not in out:
            out[passes] = numpy.empty((passes, len(rows)), dtype="f4")
        numpy.matmul(repeated(rows, passes), query, out=out[passes])

    return run


def faiss_dots(query, rows):
    import faiss

    faiss.omp_set_num_threads(1)
    out = {}

    def run(passes):
        if passes not in out:
            out[passes] = numpy.empty((passes, len(rows)), dtype="f4")
        pointers = [faiss.swig_ptr(array) for array in (query, rows, out[passes])]
        # A query every 0 floats: the same one, so many times.
        faiss.pairwise_extra_distances(
            rows.shape[1], passes, pointers[0], len(rows), pointers[1], faiss.METRIC_INNER_PRODUCT, 0.0, pointers[2], 0
        )

    return run


def simsimd_dots(query, rows):
    import simsimd

    def run(passes):
        simsimd.cdist(repeated(query, passes), rows, "dot", threads=1)

    return run


LIBRARIES = {"NumPy (BLAS)": numpy_dots, "faiss pairwise": faiss_dots, "simsimd": simsimd_dots}


def seconds(run, passes):
    begun = time.process_time()
    run(passes)
    return time.process_time() - begun


def nanoseconds(run, count, passes):
    """Of one dot of `count` rows a pass."""
    if count * passes > 20_000:
        return seconds(run, passes) * 1e9 / (count * passes)
    many = min(seconds(run, 2 * passes) for _ in range(15))
    half = min(seconds(run, passes) for _ in range(15))
    return max(many - half, 0.0) * 1e9 / (count * passes)


def checked(name, make, query, rows):
    """The library's function, or None with a word why."""
    try:
        run = make(query, rows)
        run(1)
        return run
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        return None


def measure(engram, place, args):
    """{name: [nanoseconds a round]} and the bandwidth of each round."""
    size = PLACES[place]
    count = size // (4 * args.dim)
    random = numpy.random.default_rng(1)
    rows, query = (random.standard_normal((n, args.dim), dtype="f4") for n in (count, 1))
    query = query[0]
    near = place != "memory"
    passes = max(20_000_000 // (count * args.dim // 16), 1) if near else 1
    runs = {name: checked(name, make, query, rows) for name, make in LIBRARIES.items()}
    out, bandwidth = {}, []
    for _ in range(args.rounds):
        bandwidth.append(engram.bandwidth(size, passes))
        for kernel in engram.kernels:
            out.setdefault(f"engram {kernel}", []).append(engram.dot(kernel, args.dim, count, passes))
        for name, run in runs.items():
            if run:
                few = max(min(64, 4096 // count), 8) if near else 1
                out.setdefault(name, []).append(nanoseconds(run, count, few))
    return out, bandwidth


def main():
    parser = argparse.ArgumentParser(description="Nanoseconds a dot product, beside libraries.")
    parser.add_argument("--program", required=True, help="the program of benches/dots.rs")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--out", help="folder for the table")
    args = parser.parse_args()
    os.sched_setaffinity(0, CORES[-1:])
    engram = Engram(args.program)
    found = {place: measure(engram, place, args) for place in PLACES}
    names = [*found["L1"][0]]
    names.sort(key=lambda name: statistics.median(found["memory"][0][name]))
    lines = [f"| ns a dot, {args.dim}-d f32 | L1 | L2 | memory | of read bandwidth | L1, x scalar |", "|---|---|---|---|---|---|"]
    bytes_read = 4 * args.dim
    for name in names:
        took = {place: statistics.median(found[place][0][name]) for place in PLACES}
        shares = [bytes_read / ns / rate for ns, rate in zip(found["memory"][0][name], found["memory"][1])]
        scalar = statistics.median(found["L1"][0]["engram scalar"]) / took["L1"]
        cells = [name, *(f"{took[place]:.1f}" for place in PLACES), f"{100 * statistics.median(shares):.0f} %", f"{scalar:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    rates = [statistics.median(found[place][1]) for place in PLACES]
    cells = ["read bandwidth, GB/s", *(f"{rate:.0f}" for rate in rates), "", ""]
    lines.append("| " + " | ".join(cells) + " |")
    cells = ["a row at that bandwidth", *(f"{bytes_read / rate:.1f}" for rate in rates), "", ""]
    lines.append("| " + " | ".join(cells) + " |")
    lines.append(f"\nMedians of {args.rounds} alternating rounds, one core, processor time.")
    print("\n".join(lines))
    if args.out:
        with open(os.path.join(args.out, "kernels.md"), "w") as file:
            file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
