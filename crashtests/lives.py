"""One life of the server under load: its clients, how it is ended, and what it may have lost then."""

import random
import re
import subprocess
import threading
import time

from engramlib import encode
from observer import Observer
from points import GROUPS
from savers import Backer, Flusher, Lazy, Linker, Saver
from sharer import Sharer
from writer import Writer

SHARERS = 3

PROMISED = {
    ("always", False): None,
    ("always", True): None,
    ("everysec", False): 0.001,
    ("everysec", True): 1.001,
    ("no", False): 0.001,
}
"""Seconds before the end whose acknowledged writes may be gone, by tier and whether power is lost, as the README has it; None:
not one of them; not here: any."""

ALLOWED = 0.03
"""Seconds more for a machine that is not measured to be late. To them come twice the longest sync that INFO told of (one that
a record waits for before it is written, and its own), and three times what a process beside the server was late by
(`pulse.Pulse`) in the last two seconds: to be written, to be synced, to be told."""

KILLED = re.compile(r"killed at \S+, ([0-9.]+) s")
"""What a server says that kills itself, and when it did."""


class Life:
    """From when the clients begin to when the server is dead."""

    def __init__(self, server, number, supervisor, point=None, tier="always", backs_up=False):
        seed = f"{supervisor.seed}:{number}"
        self.server, self.number, self.rng, self.point, self.tier = server, number, random.Random(seed), point, tier
        self.killed, self.over, self.gate = threading.Event(), threading.Event(), threading.Event()
        self.gate.set()
        self.pulse, self.power = supervisor.pulse, supervisor.power
        self.ended, self.ended_ticks, self.gone, self.hit, self.orderly = 0.0, 0.0, 0.0, False, False
        self.group = GROUPS[point.group if point else ""]
        self.begin_clients(seed, supervisor, backs_up)

    def begin_clients(self, seed, supervisor, backs_up):
        rng, group, more = self.rng, self.group, self.group.clients
        self.writers = [
            Writer(self, pool, model, random.Random(f"{seed}:{pool.number}"), supervisor.vectors, group.vectors)
            for pool, model in zip(supervisor.pools, supervisor.models)
        ]
        self.observer = Observer(self, asks_info=self.tier != "always")
        self.sharers = [Sharer(self, n, random.Random(f"{seed}:sharer {n}")) for n in range(SHARERS)]
        self.savers = []
        if group.saves != "never" and not supervisor.redis and (group.saves != "maybe" or rng.random() < 0.7):
            how = "VSAVE" if group.saves in ("maybe", "often") else group.saves
            self.savers = [Saver(self, rng, 0.05 if group.saves == "often" else 0.4, how) for _ in range(1 + more.count("saver"))]
        self.backers = [Backer(self, rng)] if backs_up or "backer" in more else []
        self.flusher = Flusher(self, rng) if "flusher" in more else None
        self.threads = [*self.writers, self.observer, *self.sharers, *self.savers, *self.backers]
        self.threads += [self.flusher] if self.flusher else []
        self.threads += [Linker(self, rng, who == "vanisher") for who in more if who in ("linker", "vanisher") and supervisor.vectors]
        self.threads += [Lazy(self)] if "lazy" in more else []

    def may_be_dead(self):
        """True once the server has been told to die, or says that it kills itself where it was to."""
        return self.killed.is_set() or bool(KILLED.search(self.server.log_text()))

    def live(self):
        """Runs the clients until the server is dead. Returns what was wrong until then."""
        for thread in self.threads:
            thread.start()
        wrong = self.end()
        self.gone = time.time()
        self.gate.set()
        for thread in self.threads:
            thread.join()
            wrong += [f"wrong answer: {what}" for what in thread.wrong[:5]]
        return wrong

    def end(self):
        """Ends the life: at the point that is aimed at, else by a kill, or in order where that was aimed at."""
        died = self.dies_within(self.span())
        orderly = not died and (self.group.orderly or (not self.point and not self.backers and self.rng.random() < 0.1))
        self.killed.set()
        self.ended = time.time()
        if orderly:
            self.end_in_order()
        else:
            self.server.kill()
        text, code, wrong = self.server.log_text(), self.server.process.returncode, []
        said = KILLED.search(text)
        self.hit = bool(said)
        if said:
            self.ended = float(said.group(1))
        self.ended_ticks = self.ended - time.time() + time.monotonic()
        if code not in ((0, -9) if orderly else (-9,)) or (died and not self.hit):
            wrong.append(f"the server ended with {code}: {text[-500:]}")
        self.orderly = orderly and not self.hit
        return wrong

    def end_in_order(self):
        if self.rng.random() < 0.5:
            self.server.terminate()
            return
        try:
            with self.server.client() as client:
                client.send(encode("SHUTDOWN"))
                self.server.process.wait(30)
        except OSError:
            self.server.process.wait(30)
        self.server.kill()

    def span(self):
        """How long it lasts at most."""
        rng = self.rng
        if self.tier != "always" and self.group is GROUPS[""]:
            return 3.0 * rng.random()
        if self.group is not GROUPS[""] or self.backers:
            return rng.uniform(*self.group.span)
        return rng.choice([0.05, 0.3, 1.2]) * rng.random() + 0.01

    def dies_within(self, span):
        """Waits so long; true if the server died by itself."""
        try:
            self.server.process.wait(span)
            return True
        except subprocess.TimeoutExpired:
            return False

    def keeps_all(self):
        """Whether nothing that was acknowledged may be gone."""
        return self.orderly or PROMISED.get((self.tier, self.power), 0.0) is None

    def window(self):
        """Seconds before the end whose acknowledged writes may be gone."""
        if self.keeps_all():
            return 0.0
        promised = PROMISED.get((self.tier, self.power), float("inf"))
        late = self.pulse.latest(self.ended - 2, self.ended) if self.pulse else 0.0
        return promised + ALLOWED + 2 * self.observer.longest_sync + 3 * late

    def safe(self, acknowledged):
        """How many of these wall-clock moments are so old that what was acknowledged then must be there."""
        if self.keeps_all():
            return len(list(acknowledged))
        return sum(at < self.ended - self.window() for at in acknowledged)

    def safe_ticks(self, answered):
        """The same for monotonic moments."""
        answered = [at for at in answered if at != float("inf")]
        return len(answered) if self.orderly else sum(at < self.ended_ticks - self.window() for at in answered)
