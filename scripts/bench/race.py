"""Lets contenders take turns in building and searching, each in a process of its own, and reads recall against speed.

A contender is a command that speaks the lines of peers.py. In a round each of them searches once at every width (ef, window),
all pinned to the same core; so what the machine does meanwhile meets them alike, and ratios are taken within a round.
A speed at a recall lies on the line between the two nearest widths, in the logarithm of the speed.
"""

import math
import os
import statistics
import subprocess
import sys

WIDTHS = [10, 13, 17, 22, 29, 38, 50, 65, 85, 110, 145, 190, 250, 330, 430, 560, 730]
RECALLS = (0.95, 0.99)
# The stretch of the curve that is measured.
LOWEST, HIGHEST = 0.90, 0.999
CORES = sorted(os.sched_getaffinity(0))


class Refused(Exception):
    """The contender could not do what was asked of it."""


class Contender:
    """A process with an index, what it has answered so far, and why it was dropped, if it was."""

    def __init__(self, name, command):
        self.name, self.refusal, self.call_seconds = name, None, 0.0
        self.builds = {1: [], 2: []}  # threads -> rows a second, by round
        self.bytes_per_row = None
        self.widths, self.rounds = [], []  # rounds: a dict a round, width -> (recall, queries a second)
        quiet = dict(os.environ, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=quiet
        )

    def ask(self, words, last):
        """Sends one line; returns the answers up to and including the one that begins with `last`, split into words."""
        answers = []
        try:
            self.process.stdin.write(words + "\n")
            self.process.stdin.flush()
            while not answers or answers[-1][0] != last:
                line = self.process.stdout.readline()
                if not line:
                    raise Refused((self.process.stderr.read().strip().splitlines() or ["it ended"])[-1])
                if line.startswith("error "):
                    raise Refused(line[6:].strip())
                answers.append(line.split())
        except BrokenPipeError:
            raise Refused("it ended") from None
        return answers

    def build(self, threads):
        """By the wall clock: by processor time, threads that wait for one another would count as busy side by side."""
        os.sched_setaffinity(self.process.pid, CORES[-threads:])
        rate, _, size = map(float, self.ask(f"build {threads}", "built")[-1][1:])
        os.sched_setaffinity(self.process.pid, CORES[-1:])
        self.builds[threads].append(rate)
        self.bytes_per_row = self.bytes_per_row or size

    def search(self, seconds, widths, clock, threads=1):
        """{width: (recall, queries a second)}"""
        words = f"search {seconds} {threads} {' '.join(map(str, widths))}"
        points = [[float(word) for word in point[1:]] for point in self.ask(words, "done")[:-1]]
        return {int(ef): (recall, rate if clock == "wall" else cpu_rate) for ef, recall, rate, cpu_rate in points}

    def prepare(self, clock):
        """Finds the widths that the rounds need: the measured stretch and one width beyond either end."""
        self.call_seconds = float(self.ask("call", "call")[-1][1])
        self.widths, recall = [], 0.0
        for width in WIDTHS:
            below, recall = recall, self.search(0.0, [width], clock)[width][0]
            if recall >= LOWEST:
                before = WIDTHS[max(WIDTHS.index(width) - 1, 0)]
                self.widths += [before] if before != width and not self.widths else []
                self.widths.append(width)
            if below < recall >= HIGHEST or (recall == below and recall > max(RECALLS)):
                break
        if not self.widths:
            self.widths = WIDTHS[-2:]

    def round(self, seconds, clock):
        self.rounds.append(self.search(seconds, self.widths, clock))

    def end(self):
        self.process.stdin.close()
        self.process.wait()

    def at(self, recall, less_call=False):
        """Queries a second at a recall in each round; None where a round never reaches it."""
        return [speed_at(points.values(), recall, self.call_seconds if less_call else 0.0) for points in self.rounds]

    def curve(self):
        """(recall, median queries a second, less the call) by width, for a plot."""
        medians = {width: statistics.median(points[width][1] for points in self.rounds) for width in self.widths}
        return [
            (self.rounds[0][width][0], 1 / max(1 / speed - self.call_seconds, 1e-9)) for width, speed in medians.items()
        ]


def speed_at(points, recall, call_seconds=0.0):
    """The speed at a recall between the nearest points of (recall, speed), or None beyond them."""
    points = sorted((at, 1 / (1 / speed - call_seconds)) for at, speed in points if 1 / speed > call_seconds)
    below = [point for point in points if point[0] < recall]
    above = [point for point in points if point[0] >= recall]
    if not above:
        return None
    reached, speed = max(above, key=lambda point: point[1])
    if not below:
        return speed if reached - recall < 0.005 else None
    lower, faster = below[-1]
    if reached == lower:
        return speed
    part = (recall - lower) / (reached - lower)
    return math.exp(math.log(faster) + part * (math.log(speed) - math.log(faster)))


def say(text):
    print(text, file=sys.stderr, flush=True)


def each(contenders, step):
    """Does a step with every contender that is still there; drops those that refuse."""
    for contender in contenders:
        if contender.refusal is None:
            try:
                step(contender)
            except Refused as refusal:
                contender.refusal = str(refusal)
                say(f"{contender.name}: {refusal}")


def run(contenders, rounds, build_rounds, build_threads, seconds, clock):
    """Builds and searches in alternating rounds; the index that is searched is the one built last."""
    for number in range(build_rounds):
        for threads in build_threads:

            def step(contender, threads=threads):
                contender.build(threads)
                say(f"build {number + 1}/{build_rounds}: {contender.name}, {threads} threads, {contender.builds[threads][-1]:,.0f} rows/s")

            each(contenders, step)
    each(contenders, lambda contender: contender.prepare(clock))
    for number in range(rounds):
        each(contenders, lambda contender: contender.round(seconds, clock))
        say(f"search round {number + 1}/{rounds}")


def median(values):
    """The median of the values that are there, or None."""
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratio(ours, theirs):
    """The median of the ratios within rounds, or None."""
    return median([our / their for our, their in zip(ours, theirs) if our and their])
