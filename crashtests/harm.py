"""What may happen to a directory between two lives of its server: what a crash explains, and what saboteurs do."""

import glob
import os
import shutil
import struct


def newest_log(directory, redis=False):
    """The last segment's path, or None: right after a snapshot there may be no log."""
    pattern = "appendonlydir/*.incr.aof" if redis else "wal-*.log"
    return max(glob.glob(os.path.join(directory, pattern)), default=None)


def tear_tail(directory, rng):
    """Bytes of a record that never got whole: what a power loss in the middle of a write leaves. False without a log."""
    path, junk = newest_log(directory), rng.randbytes(rng.randint(1, 700))
    if path:
        with open(path, "r+b") as log:
            log.seek(records_end(path))
            log.write(rng.choice([junk, bytes(len(junk)), bytes(len(junk)) + junk]))
    return path is not None


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
    at = 32
    while at + 28 <= len(data):
        length, number = struct.unpack_from("<IQ", data, at + 8)
        if number == 0:
            return at
        at += 28 + length
    return len(data)
