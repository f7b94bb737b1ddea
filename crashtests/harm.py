"""What may happen to a directory between two lives of its server: what a crash explains, and what saboteurs do."""

import glob
import os
import shutil

from segment import HEADER, Segment


def newest_log(directory, redis=False):
    """The last segment's path, or None: right after a snapshot there may be no log."""
    pattern = "appendonlydir/*.incr.aof" if redis else "wal-*.log"
    return max(glob.glob(os.path.join(directory, pattern)), default=None)


def tear_tail(directory, rng):
    """Bytes of a record that never got whole: what a power loss in the middle of a write leaves. False where there is no log
    for it: nothing is written behind a header that was not synced."""
    path = newest_log(directory)
    if not path or os.path.getsize(path) < HEADER:
        return False
    segment, junk = Segment(path), rng.randbytes(rng.randint(1, 700))
    if not segment.whole:
        return False
    half = segment.torn_record(junk, rng.randrange(len(junk)))
    other = segment.torn_record(junk, len(junk))
    with open(path, "r+b") as log:
        log.seek(segment.end)
        log.write(rng.choice([junk, bytes(len(junk)), bytes(len(junk)) + junk, half, other]))
        if rng.random() < 0.5:
            log.truncate()
    return True


def cut_log(directory, rng, redis=False):
    """A saboteur: takes acknowledged bytes away. The verification must notice."""
    if path := newest_log(directory, redis):
        end = os.path.getsize(path) if redis else Segment(path).end
        os.truncate(path, max(0, end - rng.randint(1, 3000)))


class PutBackOlder:
    """Another saboteur: the directory as it was at its last call, whole and valid but out of date."""

    def __init__(self, older):
        self.older = older

    def __call__(self, directory):
        fresh = f"{self.older}-next"
        shutil.copytree(directory, fresh)
        if os.path.exists(self.older):
            shutil.rmtree(directory)
            os.rename(self.older, directory)
        os.rename(fresh, self.older)
