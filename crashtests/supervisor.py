"""Kills the real server again and again, and checks after each restart that nothing acknowledged was lost.

Guarantees to notice: a lost or altered acknowledged write, half a MSET or EXEC, a dead key alive, an overwritten value back, a
vector with a changed bit, a wrong count, a value that was shown to a reader and then lost, an effect out of a connection's
order, a history of shared keys that no order explains, a backup that was acknowledged and is not whole. With `--power` a
kill takes what a power loss would (src/os/lossy); without, what the kernel has been given survives. With `--aimed`, and with
`--power`, most kills come at named points (points.py), and each start after them may be killed as well.

The writes come from the printed seed; the moment of a kill is seeded too, but what the server had done by then is not.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts"))

import harm  # noqa: E402
import model as m  # noqa: E402
from engramlib import Scratch, Server, binary_path, die_cleanly  # noqa: E402
from lives import Life  # noqa: E402
from points import RECOVERY, Points  # noqa: E402
from verify import Verifier  # noqa: E402
from writer import SAME, Pool  # noqa: E402

WRITERS = 6
FACTS = ["kills", "start-up kills", "orderly ends", "saves", "backups", "looks", "shared", "pending", "weak lives"]
FACTS += ["given up", "torn tails", "self-searches", "unfound"]
LIES = {"lie": "skip-sync", "lie-dir": "skip-sync-dir"}


class Supervisor:
    """One directory, many lives of the server."""

    def __init__(self, args, directory, seed):
        self.directory, self.seed, self.redis = directory, seed, args.redis
        self.vectors, self.saboteur, self.power = not (args.no_vectors or args.redis), args.saboteur, args.power
        self.points = Points() if args.aimed or args.power else None
        self.rng = random.Random(f"{seed}:supervisor")
        self.pools = [Pool(number) for number in range(WRITERS)]
        self.models = [{} for _ in self.pools]
        self.server, self.acknowledged, self.losses = None, 0, []
        self.put_back_older = harm.PutBackOlder()
        self.facts = dict.fromkeys(FACTS, 0)
        self.verifier = Verifier(self.pools, self.models, self.vectors, self.lost, self.facts)

    def lost(self, what):
        self.losses.append(what)

    def start(self, tier="always", point=None):
        self.server = Server(self.directory, redis=self.redis, args=self.server_args(tier, point))
        self.server.start()

    def server_args(self, tier="always", point=None):
        """Settings for one life, such that it comes by the point that is aimed at."""
        if self.redis:
            return []
        rng, group = self.rng, point.group if point else ""
        segment = rng.choice(["64kb", "1mb", "64mb"])
        if group in ("switch", "snapshot", "backup"):
            segment = rng.choice(["16kb", "64kb"])
        args = ["--fsync", tier, "--workers", rng.randint(1, 3), "--exact-below", rng.choice([0, 1000])]
        args += ["--segment-bytes", segment, "--log-room", rng.choice(["1mb", "64kb", "64kb", "0"])]
        args += ["--snapshot-log-bytes", "64kb" if group == "unasked" else rng.choice(["256kb", "256mb"])]
        if self.points:
            args += ["--backup-dir", self.backups()]
        if self.power:
            lie = LIES.get(self.saboteur)
            args += ["--storage", f"lossy:{rng.randrange(1 << 32)}" + (f":{lie}" if lie else "")]
        if point:
            args += ["--kill-at", point.aim(rng)]
        return list(map(str, args))

    def backups(self):
        path = f"{self.directory}-backups"
        os.makedirs(path, exist_ok=True)
        return path

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
        rng = random.Random(f"{self.seed}:{number}")
        point, tier = None, "always"
        if self.points:
            point, tier = self.begin_life(rng)
        life = Life(self.server, f"{self.seed}:{number}", self, point, tier)
        for what in life.live():
            self.lost(what)
        self.count(life)
        self.between_lives(rng, life)
        self.start()
        self.verifier.verify(self.server, life)
        self.look_at_backups(life)

    def begin_life(self, rng):
        """Ends the life that has verified, and begins one that dies where it is told to."""
        self.facts["kills"] += 1
        self.server.kill()
        tier, aims = "always", 0.97
        if rng.random() < 0.1:
            tier, aims = rng.choice(["everysec", "everysec", "no"]), 0.5
            self.facts["weak lives"] += 1
        point = self.points.next(rng) if rng.random() < aims else None
        self.start(tier, point)
        return point, tier

    def count(self, life):
        self.acknowledged += sum(writer.acknowledged for writer in life.writers)
        self.facts["saves"] += sum(saver.saves for saver in life.savers)
        self.facts["backups"] += sum(len(backer.made) for backer in life.backers)
        self.facts["looks"] += life.observer.looks
        self.facts["orderly ends" if life.orderly else "kills"] += 1
        if life.point:
            life.point.hits += life.hit
            life.point.misses += not life.hit

    def between_lives(self, rng, life):
        """What may happen to a directory before it is opened again: nothing, a torn tail, crashes while starting."""
        if self.saboteur == "cut":
            harm.cut_log(self.directory, rng, self.redis)
        elif self.saboteur == "stale":
            self.put_back_older(self.directory)
        elif not self.redis and not self.power and life.window is None and rng.random() < 0.3:
            self.facts["torn tails"] += harm.tear_tail(self.directory, rng)
        if self.points and (work := harm.to_repair(self.directory)) and rng.random() < 0.85:
            self.start_up_kill(rng, work)
        deaths = 0
        while deaths < 5 and rng.random() < (0.6 if self.points else 0.3):
            deaths += 1
            self.start_up_kill(rng, RECOVERY if self.points and rng.random() < 0.9 else None)

    def start_up_kill(self, rng, places):
        """A start that is killed: at one of some places, or at any moment."""
        self.facts["start-up kills"] += 1
        point = self.points.next(rng, places) if places else None
        half = Server(self.directory, redis=self.redis, args=self.server_args(point=point)).start(wait=False)
        if not point:
            time.sleep(rng.random() * 1.2 * self.server.seconds_to_ready)
            half.kill()
            return
        until = time.monotonic() + 10
        while half.is_alive() and "ready on" not in half.log_text() and time.monotonic() < until:
            time.sleep(0.001)
        if point.where == "Serving":
            time.sleep(0.02)
        half.kill()
        hit = "killed at " in half.log_text()
        point.hits += hit
        point.misses += not hit
        if half.process.returncode != -9:
            self.lost(f"a start ended with {half.process.returncode}: {half.log_text()[-500:]}")

    def look_at_backups(self, life):
        """The last backup that was acknowledged is whole; none stands in the next life's way."""
        if not life.backers:
            return
        for name in life.backers[0].made[-1:]:
            self.check(os.path.join(self.backups(), name))
        shutil.rmtree(self.backups())

    def check(self, directory):
        check = subprocess.run([binary_path(), "check", directory], capture_output=True, text=True, timeout=120)
        if check.returncode != 0:
            self.lost(f"engram check ended with {check.returncode}: {(check.stdout + check.stderr)[-500:]}")

    def end(self):
        """A last orderly end, then the offline check of the directory."""
        code = self.server.terminate()
        if code != 0:
            self.lost(f"SIGTERM ended with {code}")
        if not self.redis:
            self.check(self.directory)


class Progress:
    """A line now and then, in place on a terminal."""

    def __init__(self, run, args):
        self.run, self.rounds, self.begun, self.told = run, args.rounds, time.monotonic(), time.monotonic()
        self.until = self.begun + args.hours * 3600 if args.hours else None

    def goes_on(self, done):
        return time.monotonic() < self.until if self.until else done < self.rounds

    def tell(self, done):
        now = time.monotonic()
        if now - self.told < (1 if sys.stdout.isatty() else 20):
            return
        self.told, gone = now, now - self.begun
        of = f"{gone / 3600:.2f} of {(self.until - self.begun) / 3600:.2f} h" if self.until else f"{gone:.0f} s"
        kills = self.run.facts["kills"] + self.run.facts["start-up kills"]
        line = f"round {done}: {self.run.acknowledged} acknowledged, {kills} kills, {len(self.run.losses)} losses, {of}"
        print(f"\r{line}  " if sys.stdout.isatty() else line, end="" if sys.stdout.isatty() else "\n", flush=True)


def parse_args():
    parser = argparse.ArgumentParser(description="Crash tests: kill, restart, verify.")
    parser.add_argument("rounds", type=int, nargs="?", default=20)
    parser.add_argument("--power", action="store_true", help="a kill takes what a power loss would; aimed as well")
    parser.add_argument("--aimed", action="store_true", help="kills at named points; a table says how often each was hit")
    parser.add_argument("--hours", type=float, default=None, help="go on for so long instead of some rounds")
    parser.add_argument("--seed", type=int, default=None, help="repeat the writes of an earlier run")
    parser.add_argument("--dir", default=None, help="where the data goes (default: a new directory, kept only on a loss)")
    parser.add_argument("--no-vectors", action="store_true", help="key-value writes only")
    parser.add_argument("--redis", action="store_true", help="a control: redis-server instead, key-value writes only")
    parser.add_argument("--self-test", action="store_true", help="show that the checker of histories finds what it must")
    harms = ["cut", "stale", *LIES]
    parser.add_argument("--saboteur", choices=harms, help="harm the data between two lives, or lie; the run must report it")
    args = parser.parse_args()
    if args.saboteur in LIES and not args.power:
        parser.error("a sync can lie with --power only")
    return args


def main():
    args = parse_args()
    die_cleanly()
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed={seed}", flush=True)
    scratch = Scratch("engram-crash-")
    directory = args.dir or os.path.join(scratch.path, "data")
    os.makedirs(directory, exist_ok=True)
    run = Supervisor(args, directory, seed)
    progress, done = Progress(run, args), 0
    try:
        run.prepare()
        while progress.goes_on(done) and not run.losses:
            run.round(done)
            done += 1
            progress.tell(done)
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
    if run.points:
        print("\n".join(run.points.table()))
    seconds = time.monotonic() - progress.begun
    print("  ".join(f"{name}: {count}" for name, count in run.facts.items()) + f"  seconds: {seconds:.0f}")
    print(f"rounds={done} acknowledged={run.acknowledged} losses={len(run.losses)} seed={seed}")
    sys.exit(1 if run.losses else 0)


if __name__ == "__main__":
    main()
