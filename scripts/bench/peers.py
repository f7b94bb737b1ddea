"""One library of the field in a process of its own, told what to do by lines of JSON on its input.

    python3 peers.py NAME --base FILE.f32 --query FILE.f32 --neighbors FILE.u32 --dim N

Speaks what ../../benches/contender.rs speaks:

    build THREADS                -> built ROWS_PER_SECOND ROWS_PER_CPU_SECOND BYTES_PER_ROW
    search SECONDS THREADS EF .. -> point EF RECALL QUERIES_PER_SECOND QUERIES_PER_CPU_SECOND, for each; then: done
    call                         -> call SECONDS: what the same call costs on an index that is all but empty
    anything that fails          -> error WHY

All libraries get unit vectors, M 16 (degree 32) and ef_construction 200; one query a call, and one thread
while searching, whatever THREADS says. Bytes a row are what the resident memory grew by over the first build.
"""

import argparse
import ctypes
import gc
import os
import sys
import time

import numpy

import data

K = 10
M, DEGREE, EF_CONSTRUCTION = 16, 32, 200
# An index that is all but empty, and narrow: rabitqlib wants more rows than its degree.
FEW, FEW_DIM = 40, 64
CORES = sorted(os.sched_getaffinity(0))


class Hnswlib:
    def __init__(self, base, threads):
        import hnswlib

        self.index = hnswlib.Index(space="ip", dim=base.shape[1])
        self.index.init_index(max_elements=len(base), ef_construction=EF_CONSTRUCTION, M=M, random_seed=1)
        self.index.add_items(base, num_threads=threads)
        self.index.set_num_threads(1)

    def ef(self, ef):
        self.index.set_ef(ef)

    def search(self, query):
        return self.index.knn_query(query, K, num_threads=1)[0]


class Usearch:
    def __init__(self, base, threads, dtype="f32"):
        from usearch.index import Index

        # Bytes need the lengths: unit vectors are no longer of unit length as i8.
        metric = "cos" if dtype == "i8" else "ip"
        self.index = Index(
            ndim=base.shape[1], metric=metric, dtype=dtype, connectivity=M, expansion_add=EF_CONSTRUCTION
        )
        self.index.add(numpy.arange(len(base), dtype="u8"), base, threads=threads)

    def ef(self, ef):
        self.index.expansion_search = ef

    def search(self, query):
        return self.index.search(query[0], K, threads=1).keys


class Faiss:
    def __init__(self, base, threads, compressed=False):
        import faiss

        faiss.omp_set_num_threads(threads)
        if compressed:
            self.index = faiss.IndexHNSWSQ(base.shape[1], faiss.ScalarQuantizer.QT_8bit, M, faiss.METRIC_INNER_PRODUCT)
        else:
            self.index = faiss.IndexHNSWFlat(base.shape[1], M, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = EF_CONSTRUCTION
        self.index.train(base)
        self.index.add(base)
        faiss.omp_set_num_threads(1)

    def ef(self, ef):
        self.index.hnsw.efSearch = ef

    def search(self, query):
        return self.index.search(query, K)[1]


class Symqg:
    def __init__(self, base, threads, bits):
        import rabitqlib

        self.index = rabitqlib.SymqgIndex(base.shape[1], DEGREE, "l2", bits)
        self.index.build(base, EF_CONSTRUCTION, threads)

    def ef(self, ef):
        self.width = ef

    def search(self, query):
        return self.index.search(query, K, self.width, 1)[0]


class RabitqHnsw:
    def __init__(self, base, threads, bits):
        import rabitqlib

        means = rabitqlib.RaBitQKMeans(base.shape[1], min(16, len(base)), num_threads=threads)
        means.train(base)
        nearest = numpy.argmax(base @ means.centroids.T, axis=1).astype("u4")
        self.index = rabitqlib.HnswIndex(base.shape[1], len(base), M, EF_CONSTRUCTION, bits, "l2")
        self.index.build(base, means.centroids, nearest, threads)

    def ef(self, ef):
        self.width = ef

    def search(self, query):
        return self.index.search(query, K, self.width, 1)[0]


class Vamana:
    def __init__(self, base, threads, compressed=None):
        import svs

        settings = svs.VamanaBuildParameters(graph_max_degree=DEGREE, window_size=EF_CONSTRUCTION, alpha=1.2)
        rows = base
        if compressed:
            folder = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"engram-svs-{os.getpid()}.fvecs")
            svs.write_vecs(base, folder)
            try:
                loader = svs.VectorDataLoader(folder, svs.DataType.float32, dims=base.shape[1])
                rows = svs.LVQLoader(loader, **compressed)
                self.index = svs.Vamana.build(settings, rows, svs.DistanceType.L2, num_threads=threads)
            finally:
                os.remove(folder)
        else:
            self.index = svs.Vamana.build(settings, rows, svs.DistanceType.L2, num_threads=threads)
        self.index.num_threads = 1

    def ef(self, ef):
        self.index.search_window_size = ef

    def search(self, query):
        return self.index.search(query, K)[0]


PEERS = {
    "hnswlib": Hnswlib,
    "usearch f32": Usearch,
    "usearch f16": lambda base, threads: Usearch(base, threads, "f16"),
    "usearch i8": lambda base, threads: Usearch(base, threads, "i8"),
    "faiss HNSWFlat": Faiss,
    "faiss HNSW-SQ8": lambda base, threads: Faiss(base, threads, True),
    "rabitqlib Symqg 1 bit + f32": lambda base, threads: Symqg(base, threads, 0),
    "rabitqlib Symqg 8 bit": lambda base, threads: Symqg(base, threads, 8),
    "rabitqlib HNSW 5 bit": lambda base, threads: RabitqHnsw(base, threads, 5),
    "rabitqlib HNSW 8 bit": lambda base, threads: RabitqHnsw(base, threads, 8),
    "scalable-vs Vamana f32": Vamana,
    "scalable-vs Vamana LVQ8": lambda base, threads: Vamana(base, threads, {"primary": 8}),
}
# The libraries whose search reads the f32 rows at every step.
PLAIN = ("hnswlib", "usearch f32", "faiss HNSWFlat", "scalable-vs Vamana f32")


def resident():
    """Bytes of this process in memory, after the allocator has given back what it can."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Host:
    """Holds the data and the index, answers requests."""

    def __init__(self, name, chosen_set):
        self.make = PEERS[name]
        self.base, self.query, near = data.read(chosen_set)
        self.truth = [set(row[:K].tolist()) for row in near]
        self.queries = [self.query[at : at + 1] for at in range(len(self.query))]
        self.index, self.bytes_per_row, self.recalls = None, None, {}
        os.sched_setaffinity(0, CORES[-1:])

    def build(self, threads):
        threads = int(threads)
        if self.index is None:
            self.make(self.base[:FEW], 1)  # Loads what the library loads when it is first used.
        self.index, self.recalls = None, {}
        os.sched_setaffinity(0, CORES[-threads:])
        before, begun, begun_cpu = resident(), time.perf_counter(), time.process_time()
        self.index = self.make(self.base, threads)
        seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - begun_cpu
        os.sched_setaffinity(0, CORES[-1:])
        if self.bytes_per_row is None:
            self.bytes_per_row = (resident() - before) / len(self.base)
        rows = len(self.base)
        yield f"built {rows / seconds:.1f} {rows * threads / cpu_seconds:.1f} {self.bytes_per_row:.1f}"

    def search(self, seconds, _, *efs):
        for ef in map(int, efs):
            if ef not in self.recalls:
                self.recalls[ef] = self.recall(ef)
            self.index.ef(ef)
            rate, cpu_rate = rates(self.index, self.queries, float(seconds))
            yield f"point {ef} {self.recalls[ef]:.5f} {rate:.1f} {cpu_rate:.1f}"
        yield "done"

    def recall(self, ef):
        self.index.ef(ef)
        found = sum(
            len(truth.intersection(numpy.ravel(self.index.search(query)).tolist()))
            for query, truth in zip(self.queries, self.truth)
        )
        return found / (K * len(self.queries))

    def call(self):
        few = self.make(numpy.ascontiguousarray(self.base[:FEW, :FEW_DIM]), 1)
        few.ef(K)
        queries = [numpy.ascontiguousarray(query[:, :FEW_DIM]) for query in self.queries]
        yield f"call {1 / rates(few, queries, 0.3)[1]:.9f}"


def rates(index, queries, seconds):
    """Queries a second and queries a second of processor time, over whole passes for so much processor time."""
    search, done = index.search, 0
    begun, begun_cpu = time.perf_counter(), time.process_time()
    while time.process_time() - begun_cpu < seconds:
        for query in queries:
            search(query)
        done += len(queries)
    return done / (time.perf_counter() - begun), done / max(time.process_time() - begun_cpu, 1e-9)


def main():
    parser = argparse.ArgumentParser(description="One library, told what to do on its input.")
    parser.add_argument("name", choices=PEERS)
    data.add_arguments(parser)
    args = parser.parse_args()
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    host = Host(args.name, data.Set(args.base, args.query, args.neighbors, args.dim))
    for line in sys.stdin:
        name, *words = line.split()
        try:
            for answer in getattr(host, name)(*words):
                print(answer, file=answers, flush=True)
        except Exception as error:  # A library may refuse the processor or the set: the run goes on without it.
            print(f"error {type(error).__name__}: {error}".replace("\n", " "), file=answers, flush=True)


if __name__ == "__main__":
    main()
