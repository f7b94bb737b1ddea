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
import threading
import time
import traceback
from collections import deque

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts"))

import account  # noqa: E402
import harm  # noqa: E402
import model as m  # noqa: E402
from engramlib import Scratch, Server, binary_path, die_cleanly  # noqa: E402
from foresee import foresee  # noqa: E402
from lives import KILLED, Life  # noqa: E402
from observer import SAME  # noqa: E402
from points import GROUPS, RECOVERY, Points  # noqa: E402
from pulse import Pulse  # noqa: E402
from verify import Verifier  # noqa: E402
from writer import Pool  # noqa: E402

WRITERS = 6
FACTS = ["kills", "start-up kills", "orderly ends", "saves", "backups", "backups opened", "looks", "shared", "pending", "weak lives"]
FACTS += ["forms", "given up", "cleared", "torn tails", "self-searches", "unfound"]
LIES = {"lie": "skip-sync", "lie-dir": "skip-sync-dir"}
BACKED_UP = 6
"""After so many rounds without a backup the next that can makes some, and the last of them is opened."""


class Watched(Server):
    """A server whose log is searched when it has ended, whatever has ended it. `tell` hears what must not be in there."""

    SIGNS = ("panicked", "tearing: ")

    def __init__(self, tell, directory, **more):
        super().__init__(directory, **more)
        self.tell, self.searched = tell, False

    def wait_ready(self, begun=None):
        try:
            super().wait_ready(begun)
        except RuntimeError:
            self.search_log()
            raise

    def kill(self):
        super().kill()
        self.search_log()

    def terminate(self, within=30.0):
        code = super().terminate(within)
        self.search_log()
        return code

    def search_log(self):
        if self.searched or not self.log:
            return
        self.searched, text = True, self.log_text()
        said = [at for sign in self.SIGNS if (at := text.find(sign)) >= 0]
        if said:
            self.tell(f"a server said: {text[max(0, min(said) - 200) :][:1500]}")


class Supervisor:
    """One directory, many lives of the server."""

    def __init__(self, args, directory, seed):
        self.directory, self.seed, self.redis = directory, seed, args.redis
        self.vectors, self.saboteur, self.power = not (args.no_vectors or args.redis), args.saboteur, args.power
        self.points = Points(args.power, args.only) if args.aimed or args.power else None
        self.rng = random.Random(f"{seed}:supervisor")
        self.pools = [Pool(number) for number in range(WRITERS)]
        self.models = [{} for _ in self.pools]
        self.server, self.acknowledged, self.losses = None, 0, []
        self.servers = deque(maxlen=8)
        self.backed_up = -BACKED_UP
        self.put_back_older = harm.PutBackOlder(f"{directory}-older")
        self.pulse = Pulse() if self.points else None
        self.facts = dict.fromkeys(FACTS, 0)
        self.verifier = Verifier(self.pools, self.models, self.vectors, self.lost, self.facts)

    def lost(self, what):
        self.losses.append(what)

    def watched(self, directory, args=()):
        server = Watched(self.lost, directory, redis=self.redis, args=list(map(str, args)))
        self.servers.append(server)
        return server

    def start(self, tier="always", point=None):
        self.server = self.watched(self.directory, self.server_args(tier, point))
        self.server.start()

    def server_args(self, tier="always", point=None):
        """Settings for one life, such that it comes by the point that is aimed at."""
        if self.redis:
            return []
        rng = self.rng
        settings = {"fsync": [tier], "workers": [1, 2, 3], "exact-below": [0, 1000], "segment-bytes": ["64kb", "1mb", "64mb"]}
        settings |= {"log-room": ["1mb", "64kb", "64kb", "0"], "snapshot-log-bytes": ["256kb", "256mb"]}
        settings |= {"backup-dir": [self.backups()]}
        if point and point.group in GROUPS:
            settings |= GROUPS[point.group].args
        elif point:
            settings |= {"workers": [2, 3]}
        args = [word for name, choices in settings.items() for word in (f"--{name}", rng.choice(choices))]
        if self.power:
            lie = LIES.get(self.saboteur)
            args += ["--storage", f"lossy:{rng.randrange(1 << 32)}" + (f":{lie}" if lie else "")]
        if point:
            args += ["--kill-at", point.aim(rng)]
        return args

    def backups(self):
        path = f"{self.directory}-backups"
        os.makedirs(path, exist_ok=True)
        return path

    def prepare(self):
        """The first life: what all writers share."""
        self.start()
        self.furnish()

    def furnish(self):
        """The indexes all writers share, and the names whose value is the same from the start."""
        with self.server.client() as client:
            client.call("MSET", *[word for key in SAME for word in (key, "0")])
            for index, dim in m.DIMS.items() if self.vectors else ():
                client.call("VNEW", index, dim, "METRIC", m.METRICS[index])
                for model in self.models:
                    model["i", index] = dim

    def round(self, number):
        """Writes, kills, looks at backups, restarts, verifies."""
        rng = random.Random(f"{self.seed}:{number}")
        point, tier = None, "always"
        if self.points:
            point, tier = self.begin_life(rng)
        life = Life(self.server, number, self, point, tier, self.backs_up(number, point))
        for what in life.live():
            self.lost(what)
        self.count(life)
        self.look_at_backups(life)
        self.between_lives(rng, life)
        self.start()
        if life.flusher and self.verifier.verify_cleared(self.server, life.flusher, len(SAME)):
            self.facts["cleared"] += 1
            self.verifier.forget()
            self.furnish()
        else:
            self.verifier.verify(self.server, account.of_life(life))

    def backs_up(self, number, point):
        """Whether a round makes backups that its point does not ask for."""
        group = GROUPS[point.group if point else ""]
        hinders = self.redis or group.orderly or group.clients or "snapshot-rate" in group.args
        return not hinders and (self.saboteur == "backup" or number - self.backed_up >= BACKED_UP)

    def begin_life(self, rng):
        """Ends the life that has verified, and begins one that dies where it is told to."""
        self.facts["kills"] += 1
        self.server.kill()
        point = self.points.next(rng)
        group, tier, aims = GROUPS[point.group], "always", 0.97
        if group.tier:
            tier = group.tier
        elif self.power and point.group == "snapshot" and rng.random() < 0.3:
            # A snapshot may be durable before the log is that leads up to it.
            tier = rng.choice(["everysec", "no"])
        elif rng.random() < 0.1 and not (group.orderly or group.clients):
            tier, aims = rng.choice(["everysec", "everysec", "no"]), 0.5
        if rng.random() > aims:
            point = None
        self.facts["weak lives"] += tier != "always"
        self.start(tier, point)
        return point, tier

    def count(self, life):
        self.acknowledged += sum(writer.acknowledged for writer in life.writers)
        self.facts["forms"] += sum(writer.forms for writer in life.writers)
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
        elif not self.redis and life.keeps_all() and rng.random() < (0.1 if self.power else 0.3):
            self.facts["torn tails"] += harm.tear_tail(self.directory, rng)
        for _ in range(6):
            work = self.points.known(foresee(self.directory)) if self.points else []
            if work and rng.random() < (0.95 if self.points.lag(work) else 0.5):
                self.start_up_kill(rng, work)
            elif rng.random() < (0.5 if self.points else 0.3):
                self.start_up_kill(rng, RECOVERY if self.points and rng.random() < 0.9 else None)
            else:
                break

    def start_up_kill(self, rng, places):
        """A start that is killed: at one of some places, or at any moment."""
        self.facts["start-up kills"] += 1
        point = self.points.next(rng, places) if places else None
        half = self.watched(self.directory, self.server_args(point=point)).start(wait=False)
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
        hit = bool(KILLED.search(half.log_text()))
        point.hits += hit
        point.misses += not hit
        if half.process.returncode != -9:
            self.lost(f"a start ended with {half.process.returncode}: {half.log_text()[-500:]}")

    def look_at_backups(self, life):
        """The last backup that was acknowledged is whole, a server starts on it, and it holds what it must."""
        for made in life.backers[0].made[-1:] if life.backers else []:
            directory = os.path.join(self.backups(), made.name)
            if self.saboteur == "backup":
                self.put_back_older(directory)
            self.check(directory)
            server = self.watched(directory)
            server.start()
            self.verifier.verify_backup(server, account.of_backup(life, made))
            server.kill()
            self.facts["backups opened"] += 1
            self.backed_up = life.number
        if not self.losses:
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

    def too_little(self, rounds):
        """Sentences on what so many rounds should have shown and have not."""
        wrong = self.points.unhit(rounds) if self.points else []
        everything = not (self.redis or self.points and self.points.only)
        if rounds > 4 * BACKED_UP and everything and not self.facts["backups opened"]:
            wrong.append(f"no backup was opened in {rounds} rounds")
        if rounds > 4 * BACKED_UP and everything and self.vectors and not self.facts["forms"]:
            wrong.append(f"no change of form was acknowledged in {rounds} rounds")
        return wrong


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
    parser.add_argument("--only", default="", help="aim a life at places with this word only")
    parser.add_argument("--hours", type=float, default=None, help="go on for so long instead of some rounds")
    parser.add_argument("--seed", type=int, default=None, help="repeat the writes of an earlier run")
    parser.add_argument("--dir", default=None, help="where the data goes (default: a new directory, kept only on a loss)")
    parser.add_argument("--no-vectors", action="store_true", help="key-value writes only")
    parser.add_argument("--redis", action="store_true", help="a control: redis-server instead, key-value writes only")
    parser.add_argument("--self-test", action="store_true", help="show that the checker of histories finds what it must")
    harms = ["cut", "stale", "backup", *LIES]
    parser.add_argument("--saboteur", choices=harms, help="harm the data between two lives, or lie; the run must report it")
    args = parser.parse_args()
    if args.saboteur in LIES and not args.power:
        parser.error("a sync can lie with --power only")
    return args


def hear_of_threads(tell):
    """A thread that dies of an exception is heard of, whatever it was for."""
    threading.excepthook = lambda dead: tell("".join(traceback.format_exception(dead.exc_type, dead.exc_value, dead.exc_traceback)))


def run_rounds(run, progress):
    """Until there is a loss, or enough; returns how many."""
    done = 0
    try:
        run.prepare()
        while progress.goes_on(done) and not run.losses:
            run.round(done)
            done += 1
            progress.tell(done)
        if not run.losses:
            run.end()
    except Exception:
        run.lost(f"round {done}: {traceback.format_exc()}")
    if not run.losses:
        for what in run.too_little(done):
            run.lost(what)
    return done


def keep_evidence(run, directory):
    """Everything a loss may be understood by."""
    kept = f"{directory}-lost"
    shutil.copytree(directory, kept)
    for number, server in enumerate(run.servers):
        with open(os.path.join(kept, f"server-{number}.log"), "w") as log:
            log.write(f"{server.args}\n{server.log_text() if server.log else ''}")
    print(f"the data and the last servers' logs are kept in {kept}; the writes are repeated by --seed {run.seed}")


def main():
    args = parse_args()
    die_cleanly()
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed={seed}", flush=True)
    scratch = args.dir or Scratch("engram-crash-").path
    directory = os.path.join(scratch, "data")
    os.makedirs(directory, exist_ok=True)
    run = Supervisor(args, directory, seed)
    hear_of_threads(run.lost)
    progress = Progress(run, args)
    done = run_rounds(run, progress)
    for what in run.losses[:20]:
        print(f"LOST {what}")
    if run.losses:
        keep_evidence(run, scratch)
    if not args.dir:
        shutil.rmtree(scratch, ignore_errors=True)
    if run.points:
        print("\n".join(run.points.table()))
    for tier, (age, window) in run.verifier.oldest.items():
        print(f"{tier}: the oldest acknowledged write that was given up was {age:.3f} s old, where {window:.3f} s were allowed")
    seconds = time.monotonic() - progress.begun
    print("  ".join(f"{name}: {count}" for name, count in run.facts.items()) + f"  seconds: {seconds:.0f}")
    print(f"rounds={done} acknowledged={run.acknowledged} losses={len(run.losses)} seed={seed}")
    sys.exit(1 if run.losses else 0)


if __name__ == "__main__":
    main()
