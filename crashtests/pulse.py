"""How late things happen on this machine: a process that sleeps for 2 ms again and again, and tells when it slept longer."""

import subprocess
import sys
import threading
from collections import deque

SLEEPER = """
import time
told = 0
while True:
    before = time.time()
    time.sleep(0.002)
    now = time.time()
    if now - before > 0.004 or now - told > 1:
        print(now, now - before - 0.002, flush=True)
        told = now
"""


class Pulse:
    """Runs until this process ends."""

    def __init__(self):
        self.late = deque(maxlen=100_000)
        self.process = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.late.append(tuple(map(float, line.split())))

    def latest(self, since, until):
        """By how many seconds it woke up too late, at most, between two moments."""
        return max((late for at, late in list(self.late) if since <= at <= until + late), default=0.0)

    def end(self):
        self.process.kill()
        self.process.wait()
