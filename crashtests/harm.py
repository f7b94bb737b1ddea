"""What may happen to a directory between two lives of its server: what a crash explains, and what saboteurs do."""

import glob
import os
import shutil
import struct


HEADER = 32
"""Bytes of a segment's header."""


def newest_log(directory, redis=False):
    """The last segment's path, or None: right after a snapshot there may be no log."""
    pattern = "appendonlydir/*.incr.aof" if redis else "wal-*.log"
    return max(glob.glob(os.path.join(directory, pattern)), default=None)


def tear_tail(directory, rng):
    """Bytes of a record that never got whole: what a power loss in the middle of a write leaves. False where there is no log
    for it: nothing is written behind a header that was not synced."""
    path, junk = newest_log(directory), rng.randbytes(rng.randint(1, 700))
    if not path or os.path.getsize(path) < HEADER:
        return False
    with open(path, "r+b") as log:
        log.seek(records_end(path))
        log.write(rng.choice([junk, bytes(len(junk)), bytes(len(junk)) + junk]))
    return True


def to_repair(directory):
    """Which of the points of `points.REPAIR` the next start will come by."""
    path, there = newest_log(directory), []
    if glob.glob(os.path.join(directory, "snapshot-*.tmp")):
        there += ["start/remove/snapshot.tmp/after"]
    if glob.glob(os.path.join(directory, "wal-*.log.tmp")):
        there += ["start/remove/wal.log.tmp", "start/remove/wal.log.tmp/after"]
    if path and os.path.getsize(path) <= HEADER and records_end(path) != HEADER:
        there += ["start/remove/wal.log/after"]
    elif path and records_end(path) < os.path.getsize(path):
        there += ["TornTailCut", "start/set-len/wal.log", "start/set-len/wal.log/after"]
    return there


def cut_log(directory, rng, redis=False):
    """A saboteur: takes acknowledged bytes away. The verification must notice."""
    if path := newest_log(directory, redis):
        os.truncate(path, max(0, records_end(path) - rng.randint(1, 3000)))


class PutBackOlder:
    """Another saboteur: the directory as it was before the last life, whole and valid but out of date."""

    def __init__(self):
        self.older = None

    def __call__(self, directory):
        if self.older:
            shutil.rmtree(directory)
            os.rename(self.older, directory)
        self.older = f"{directory}-older"
        shutil.copytree(directory, self.older)


def records_end(path):
    """Where the records of a log end: behind them there may be room, which begins with zeros (src/wal/FORMAT.md)."""
    with open(path, "rb") as log:
        data = log.read()
    if not data.startswith(b"engramwl"):
        return len(data)
    at = HEADER
    while at + 28 <= len(data):
        length, number = struct.unpack_from("<IQ", data, at + 8)
        if number == 0:
            return at
        at += 28 + length
    return len(data)
