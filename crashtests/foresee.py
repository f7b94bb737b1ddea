"""What the next start of a directory will come by, of the places that only some starts do (`points.REPAIR`)."""

import glob
import os

from points import HEADLESS, LEFT_COPY, LEFT_SNAPSHOT, POWER, RESTING, TORN, both
from segment import HEADER, Segment

KINDS = {"short": "TailShort", "header": "TailHeader", "payload": "TailPayload"}


def number(path):
    """The number in the name of a segment or a snapshot."""
    return int("".join(c for c in os.path.basename(path) if c.isdigit()))


def foresee(directory):
    """A list of places, some twice."""
    segments = sorted(glob.glob(os.path.join(directory, "wal-*.log")))
    snapshots = sorted(glob.glob(os.path.join(directory, "snapshot-*.snap")), key=number)
    covered = number(snapshots[-1]) if snapshots else 0
    there = LEFT_SNAPSHOT[:] if glob.glob(os.path.join(directory, "snapshot-*.tmp")) else []
    rests = covered > 0
    if not segments:
        there += ["LogEmpty"]
    else:
        tail = Segment(segments[-1])
        there += in_log(segments, tail, covered)
        if glob.glob(os.path.join(directory, "wal-*.log.tmp")):
            there += LEFT_COPY
        rests = covered > 0 and not tail.whole and tail.first <= covered + 1
        if tail.whole and tail.last < covered:
            there += POWER
            rests = True
    if rests:
        there += RESTING[:1] + RESTING[3:]
        moving = any(".moving." in path and number(path) == covered for path in snapshots)
        there += ["SnapshotFoundMoving"] if moving else RESTING[1:3]
    return there


def in_log(segments, tail, covered):
    """Of the log alone, which has segments; `tail` is the last."""
    there = []
    read = [path for path, following in zip(segments, [*segments[1:], None]) if not following or number(following) > covered + 1]
    if len(read) < len(segments):
        there += ["CoveredSegmentSkipped"]
    if len(read) > (1 if tail.whole else 2):
        there += ["SecondSegmentReplayed"]
    if tail.marks or any(Segment(path).marks for path in read[-3:-1]):
        there += ["LogMarkPassed"]
    if not tail.whole:
        return there + (HEADLESS if len(tail.data) <= HEADER else [])
    if tail.end < len(tail.data):
        there += TORN[:1] + TORN[2:] + [KINDS.get(tail.fault, "TailHeader" if len(tail.data) - tail.end >= 28 else "TailShort")]
    if tail.marked and tail.fault in (None, "room"):
        there += both("start/write/wal.log")
    return there
