"""Kills the real server with -9 again and again, and checks after each restart that nothing acknowledged was lost.

Guarantees to notice: a lost or altered acknowledged write, half a MSET or EXEC, a dead key alive, an overwritten value back, a
vector with a changed bit, a wrong count, a value that was shown to a reader and then lost, an effect out of a connection's
order. Does not cover power loss: what the kernel has been given survives a kill; the simulator has the rest.

The writes come from the printed seed; the moment of a kill is seeded too, but what the server had done by then is not.
"""

import argparse
import glob
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts"))

import model as m  # noqa: E402
from engramlib import Scratch, Server, binary_path, die_cleanly, encode, pairs  # noqa: E402
from writer import SAME, Observer, Pool, Saver, Writer  # noqa: E402

WRITERS = 6
EVERYTHING = 1_000_000


class Supervisor:
    """One directory, many lives of the server."""

    def __init__(self, directory, seed, vectors, redis, saboteur):
        self.directory, self.seed = directory, seed
        self.vectors, self.redis, self.saboteur = vectors, redis, saboteur
        self.rng = random.Random(f"{seed}:supervisor")
        self.pools = [Pool(number) for number in range(WRITERS)]
        self.models = [{} for _ in self.pools]
        self.server, self.acknowledged, self.losses = None, 0, []
        self.base_count, self.base_log = 0, b""
        self.older = None
        self.facts = dict.fromkeys(
            ["saves", "looks", "pending", "torn tails", "start-up kills", "graceful ends", "self-searches", "unfound"], 0
        )

    def lost(self, what):
        self.losses.append(what)

    def start(self):
        self.server = Server(self.directory, redis=self.redis, args=self.server_args())
        self.server.start()

    def server_args(self):
        if self.redis:
            return []
        workers, exact_below = self.rng.randint(1, 3), self.rng.choice(["0", "1000"])
        segment = self.rng.choice(["64kb", "1mb", "64mb"])
        return f"--fsync always --workers {workers} --exact-below {exact_below} --segment-bytes {segment}".split()

    def prepare(self):
        """The first life: the indexes all writers share, and the names whose value is the same from the start."""
        self.start()
        with self.server.client() as client:
            client.call("MSET", *[word for key in SAME for word in (key, "0")])
            for index, dim in m.DIMS.items() if self.vectors else ():
                client.call("VNEW", index, dim, "METRIC", m.METRICS[index])
                for model in self.models:
                    model["i", index] = dim

    def round(self, number):
        """Writes, kills, restarts, verifies."""
        killed = threading.Event()
        rng = random.Random(f"{self.seed}:{number}")
        writers = [
            Writer(pool, model, random.Random(f"{self.seed}:{number}:{pool.number}"), self.server, killed, self.vectors)
            for pool, model in zip(self.pools, self.models)
        ]
        observer = Observer(self.server, killed)
        savers = [Saver(rng, self.server, killed)] if self.vectors and rng.random() < 0.7 else []
        for thread in [*writers, observer, *savers]:
            thread.start()
        time.sleep(rng.choice([0.05, 0.3, 1.2]) * rng.random() + 0.01)
        self.end_life(rng, killed)
        killed_at = time.time()
        for thread in [*writers, observer, *savers]:
            thread.join()
            for what in thread.wrong[:5]:
                self.lost(f"wrong answer: {what}")
        self.acknowledged += sum(writer.acknowledged for writer in writers)
        self.facts["saves"] += sum(saver.saves for saver in savers)
        self.facts["looks"] += observer.looks
        self.between_lives(rng)
        self.start()
        self.verify(writers, observer, killed_at)

    def end_life(self, rng, killed):
        if rng.random() < 0.1:
            self.facts["graceful ends"] += 1
            killed.set()
            code = self.server.terminate()
            if code != 0:
                self.lost(f"SIGTERM ended with {code}")
        else:
            killed.set()
            self.server.kill()

    def between_lives(self, rng):
        """What may happen to a directory before it is opened again: nothing, a torn tail, crashes while starting."""
        if self.saboteur == "cut":
            self.cut_log(rng)
        elif self.saboteur == "stale":
            self.put_back_older()
        elif not self.redis and rng.random() < 0.3:
            self.tear_tail(rng)
        while rng.random() < 0.3:
            self.facts["start-up kills"] += 1
            half = Server(self.directory, redis=self.redis, args=self.server_args()).start(wait=False)
            time.sleep(rng.random() * 1.2 * self.server.seconds_to_ready)
            half.kill()

    def newest_log(self):
        """The last segment's path, or None: right after a snapshot there may be no log."""
        pattern = "appendonlydir/*.incr.aof" if self.redis else "wal-*.log"
        return max(glob.glob(os.path.join(self.directory, pattern)), default=None)

    def tear_tail(self, rng):
        """Bytes of a record that never got whole: what a power loss in the middle of a write leaves."""
        path, junk = self.newest_log(), rng.randbytes(rng.randint(1, 700))
        if not path:
            return
        self.facts["torn tails"] += 1
        with open(path, "r+b") as log:
            log.seek(records_end(path))
            log.write(rng.choice([junk, bytes(len(junk)), bytes(len(junk)) + junk]))

    def cut_log(self, rng):
        """The saboteur: takes acknowledged bytes away. The verification must notice."""
        if path := self.newest_log():
            os.truncate(path, max(0, records_end(path) - rng.randint(1, 3000)))

    def put_back_older(self):
        """Another saboteur: the directory as it was before the last life, whole and valid but out of date."""
        if self.older:
            shutil.rmtree(self.directory)
            os.rename(self.older, self.directory)
        self.older = f"{self.directory}-older"
        shutil.copytree(self.directory, self.older)

    def verify(self, writers, observer, killed_at):
        with self.server.client(timeout=60) as client:
            vectors = self.dump_indexes(client) if self.vectors else {}
            for writer in writers:
                seen = self.look_at_strings(client, writer.pool)
                self.resolve(writer, seen, vectors, killed_at)
            self.verify_counts(client, vectors)
            self.verify_shared(client, writers, observer)
            self.search_for_themselves(client)

    def dump_indexes(self, client):
        """Every vector of every index, as {("i", index): dim, ("v", index, element): packed vector}."""
        found = {}
        for index, dim in [*m.DIMS.items(), *((pool.own_index, 8) for pool in self.pools)]:
            info = client.call("VINFO", index)
            if info is None:
                continue
            found["i", index] = int(pairs(info)["vector-dim"])
            probe = m.vector(random.Random(1), dim)
            flat = client.call("VSEARCH", index, probe, EVERYTHING, "EXACT", "WITHVECTORS")
            for element, vector in zip(flat[::3], flat[2::3]):
                if ("v", index, element) in found:
                    self.lost(f"{index} shows {element} twice")
                found["v", index, element] = vector
        return found

    def look_at_strings(self, client, pool):
        """{("k", key): Seen} of every key this writer may have written."""
        seen, names = {}, pool.strings()
        for at in range(0, len(names), 40):
            part = names[at : at + 40]
            start = time.time()
            replies = client.pipeline([words for key in part for words in (("GET", key), ("PTTL", key))])
            end = time.time()
            for key, data, ttl in zip(part, replies[::2], replies[1::2]):
                seen["k", key] = m.Seen(data, ttl, start, end)
        return seen

    def resolve(self, writer, seen, vectors, killed_at):
        """Finds the prefix of the pending operations that the server holds, and takes it over as the model."""
        pool, model = writer.pool, writer.model

        def difference(name):
            if name[0] == "k":
                value, look = model.get(name), seen[name]
                if value.agrees(look) if value else look.data is None:
                    return None
                return f"{name[1]}: should be {brief(value and value.data)}, is {brief(look.data)} (PTTL {look.ttl_ms})"
            if model.get(name) == vectors.get(name):
                return None
            return f"{name[1:]}: should be {brief(model.get(name))}, is {brief(vectors.get(name))}"

        names = list(seen) + [("i", pool.own_index)] if self.vectors else list(seen)
        if self.vectors:
            indexes = [*m.DIMS, pool.own_index]
            names += [("v", index, element) for index in indexes for element in pool.elements]
        touched = {name for op, _ in writer.pending for name in op.touches}
        for name in names:
            if name not in touched and (what := difference(name)):
                self.lost(f"acknowledged, writer {pool.number}: {what}")
        self.facts["pending"] += len(writer.pending)
        best = None
        for step, (op, sent) in enumerate([(None, 0), *writer.pending]):
            if op:
                op.apply(model, sent, killed_at)
            wrong = [what for name in touched if (what := difference(name))]
            if not wrong:
                return
            if best is None or len(wrong) < len(best[1]):
                best = (step, wrong)
        text = "; ".join(best[1][:5])
        self.lost(f"writer {pool.number}: no prefix of its {len(writer.pending)} pending writes fits; nearest {best[0]}: {text}")

    def verify_counts(self, client, vectors):
        """VINFO's count is the number of vectors that can be seen, and none belongs to nobody."""
        known = {name for model in self.models for name in model if name[0] == "v"}
        for name in vectors:
            if name[0] == "v" and name not in known:
                self.lost(f"{name[1:]} is there and should not be")
        for name in [name for name in vectors if name[0] == "i"]:
            count = int(pairs(client.call("VINFO", name[1]))["size"])
            there = sum(1 for other in vectors if other[0] == "v" and other[1] == name[1])
            if count != there:
                self.lost(f"{name[1]}: VINFO counts {count} vectors, {there} are there")

    def verify_shared(self, client, writers, observer):
        count, log, left, right = client.pipeline([("GET", k) for k in ("s:count", "s:log", "s:left", "s:right")])
        same = client.call("MGET", *SAME)
        count, log = int(count or 0), log or b""
        acknowledged = [(note, replies) for writer in writers for note, replies in writer.notes_acknowledged]
        counts = [replies[0] for note, replies in acknowledged if note == "count"]
        sent = sum(1 for writer in writers for note in writer.notes_sent if note == "count")
        if not self.base_count + len(counts) <= count <= self.base_count + sent:
            self.lost(f"s:count: {self.base_count} + {len(counts)}..{sent} became {count}")
        if len(set(counts)) != len(counts):
            self.lost("s:count: two INCR got the same answer")
        if count < max([observer.count, *counts]):
            self.lost(f"s:count: {max([observer.count, *counts])} was shown, {count} is there")
        if int(left or 0) + int(right or 0) != 0:
            self.lost(f"half an EXEC: s:left {left} and s:right {right} do not sum to zero")
        if len(set(same)) != 1:
            self.lost(f"half a MSET or EXEC: {[brief(value) for value in same]}")
        if not log.startswith(observer.log):
            self.lost(f"s:log: {len(observer.log)} bytes were shown to a reader and are not there")
        self.verify_log(log, writers)
        self.base_count = count
        client.call("DEL", "s:log")

    def verify_log(self, log, writers):
        """Each writer's tokens in s:log are the first so many of those it sent, at least the acknowledged ones."""
        for writer in writers:
            prefix = b"%03d:" % writer.pool.number
            there = [token + b";" for token in log.split(b";") if token.startswith(prefix)]
            sent = [note for note in writer.notes_sent if note != "count"]
            acknowledged = sum(1 for note, _ in writer.notes_acknowledged if note != "count")
            if there != sent[: len(there)] or len(there) < acknowledged:
                self.lost(f"s:log, writer {writer.pool.number}: {acknowledged} acknowledged, {len(there)} there")

    def search_for_themselves(self, client):
        """A sample of vectors is looked up through the graph. A miss is counted; another vector under the key is a loss."""
        every = [name for model in self.models for name in model if name[0] == "v" and m.METRICS.get(name[1]) != "dot"]
        for name in self.rng.sample(every, min(60, len(every))):
            _, index, element = name
            vector = next(model[name] for model in self.models if name in model)
            reply = client.call("VSEARCH", index, vector, 1, "WITHVECTORS")
            self.facts["self-searches"] += 1
            if not reply or reply[0] != element:
                self.facts["unfound"] += 1
            elif reply[2] != vector:
                self.lost(f"{index} {element}: a search shows other bits than were stored")

    def end(self):
        """A last graceful end, then the offline check of the directory."""
        code = self.server.terminate()
        if code != 0:
            self.lost(f"SIGTERM ended with {code}")
        if self.redis:
            return
        check = subprocess.run([binary_path(), "check", self.directory], capture_output=True, text=True, timeout=120)
        if check.returncode != 0:
            self.lost(f"engram check ended with {check.returncode}: {(check.stdout + check.stderr)[-500:]}")


def records_end(path):
    """Where the records of a log end: behind them there may be room, which begins with zeros (src/wal/FORMAT.md)."""
    with open(path, "rb") as log:
        data = log.read()
    if not data.startswith(b"engramwl"):
        return len(data)
    at = 32
    while at + 28 <= len(data):
        length, number = struct.unpack_from("<IQ", data, at + 8)
        if number == 0:
            return at
        at += 28 + length
    return len(data)


def brief(data):
    if isinstance(data, bytes):
        return f"{data[:24]!r}.. ({len(data)} bytes)" if len(data) > 24 else repr(data)
    return "nothing" if data is None else repr(data)


def parse_args():
    parser = argparse.ArgumentParser(description="Crash tests: kill -9, restart, verify.")
    parser.add_argument("rounds", type=int, nargs="?", default=20)
    parser.add_argument("--seed", type=int, default=None, help="repeat the writes of an earlier run")
    parser.add_argument("--dir", default=None, help="where the data goes (default: a new directory, kept only on a loss)")
    parser.add_argument("--no-vectors", action="store_true", help="key-value writes only")
    parser.add_argument("--redis", action="store_true", help="a control: redis-server instead, key-value writes only")
    parser.add_argument("--saboteur", choices=["cut", "stale"], help="harm the data between two lives; the run must report it")
    return parser.parse_args()


def main():
    args = parse_args()
    die_cleanly()
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed={seed}", flush=True)
    scratch = Scratch("engram-crash-")
    directory = args.dir or os.path.join(scratch.path, "data")
    os.makedirs(directory, exist_ok=True)
    run = Supervisor(directory, seed, not (args.no_vectors or args.redis), args.redis, args.saboteur)
    done, begun = 0, time.monotonic()
    try:
        run.prepare()
        while done < args.rounds and not run.losses:
            run.round(done)
            done += 1
            if done % 10 == 0 and done < args.rounds:
                print(f"round {done}: {run.acknowledged} acknowledged", flush=True)
        if not run.losses:
            run.end()
    except Exception as error:
        run.lost(f"round {done}: {type(error).__name__}: {error}")
    for what in run.losses[:20]:
        print(f"LOST {what}")
    if run.losses:
        keep = args.dir or shutil.copytree(directory, f"{scratch.path}-lost")
        print(f"the data is kept in {keep}; the writes are repeated by --seed {seed}")
    shutil.rmtree(scratch.path, ignore_errors=True)
    print("  ".join(f"{name}: {count}" for name, count in run.facts.items()) + f"  seconds: {time.monotonic() - begun:.0f}")
    print(f"rounds={done} acknowledged={run.acknowledged} losses={len(run.losses)} seed={seed}")
    sys.exit(1 if run.losses else 0)


if __name__ == "__main__":
    main()
