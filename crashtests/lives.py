"""One life of the server under load: its clients, how it is ended, and what it may have lost then."""

import random
import subprocess
import threading
import time

from sharer import Sharer
from writer import Backer, Observer, Saver, Writer

SHARERS = 3

WINDOWS = {("always", False): None, ("always", True): None, ("everysec", False): 0.5, ("everysec", True): 1.8}
"""Seconds before the end whose acknowledged writes may be gone, by tier and whether power is lost; None: not one of them. A
second is promised and what the bytes need to the disk; the rest is the machine's, which has other things to do."""


class Life:
    """From when the clients begin to when the server is dead."""

    def __init__(self, server, seed, supervisor, point=None, tier="always"):
        self.server, self.rng, self.point = server, random.Random(seed), point
        self.killed, self.ended, self.ticks, self.hit = threading.Event(), 0.0, 0.0, False
        self.window = WINDOWS.get((tier, supervisor.power), float("inf"))
        self.tier, vectors, group = tier, supervisor.vectors, point.group if point else ""
        rng, killed = self.rng, self.killed
        self.writers = [
            Writer(pool, model, random.Random(f"{seed}:{pool.number}"), server, killed, vectors)
            for pool, model in zip(supervisor.pools, supervisor.models)
        ]
        if group == "reclaim":
            for writer in self.writers:
                writer.vector_share = 1.0
        self.observer = Observer(server, killed)
        self.sharers = [Sharer(n, random.Random(f"{seed}:sharer {n}"), server, killed) for n in range(SHARERS)]
        wants_saves = group in ("snapshot", "switch") or (group != "unasked" and rng.random() < 0.7)
        self.savers = [Saver(rng, server, killed)] if wants_saves and not supervisor.redis else []
        if group in ("snapshot", "switch"):
            for saver in self.savers:
                saver.most = 0.05
        self.backers = [Backer(rng, server, killed)] if group == "backup" else []
        self.threads = [*self.writers, self.observer, *self.sharers, *self.savers, *self.backers]

    def live(self):
        """Runs the clients until the server is dead. Returns what was wrong until then."""
        for thread in self.threads:
            thread.start()
        wrong = self.end()
        self.ended, self.ticks = time.time(), time.monotonic()
        for thread in self.threads:
            thread.join()
            wrong += [f"wrong answer: {what}" for what in thread.wrong[:5]]
        return wrong

    def end(self):
        """Ends the life: at the point that is aimed at, else by a kill, seldom by an orderly end."""
        rng, group = self.rng, self.point.group if self.point else ""
        span = rng.choice([0.05, 0.3, 1.2]) * rng.random() + 0.01
        if group not in ("", "shutdown"):
            span = 0.3 + 0.5 * rng.random()
        elif self.tier != "always":
            span = 3.0 * rng.random()
        elif group == "shutdown":
            span = min(span, 0.3)
        died = self.dies_within(span)
        orderly = not died and (group == "shutdown" or (not group and rng.random() < 0.1))
        self.killed.set()
        if orderly:
            self.server.terminate()
        else:
            self.server.kill()
        self.hit = "killed at " in self.server.log_text()
        wrong, code = [], self.server.process.returncode
        if code not in ((0, -9) if orderly else (-9,)) or (died and not self.hit):
            wrong.append(f"the server ended with {code}: {self.server.log_text()[-500:]}")
        said = [at for sign in ("panicked", "tearing: ") if (at := self.server.log_text().find(sign)) >= 0]
        if said:
            wrong.append(f"the server said: {self.server.log_text()[max(0, said[0] - 200) :][:1500]}")
        self.orderly = orderly and not self.hit
        return wrong

    def dies_within(self, span):
        """Waits so long; true if the server died by itself."""
        if not self.point:
            time.sleep(span)
            return not self.server.is_alive()
        try:
            self.server.process.wait(span)
            return True
        except subprocess.TimeoutExpired:
            return False

    def safe(self, acknowledged):
        """How many of these wall-clock moments are so old that what was acknowledged then must be there."""
        if self.window is None or self.orderly:
            return len(list(acknowledged))
        return sum(at < self.ended - self.window for at in acknowledged)

    def safe_ticks(self, answered):
        """The same for monotonic moments."""
        answered = [at for at in answered if at != float("inf")]
        return len(answered) if self.orderly else sum(at < self.ticks - self.window for at in answered)
