"""The forms by which indexes are searched: what VQUANT, and a new VNEW, may have left of them after a crash.

A change may be answered out of its connection's order, several clients change an index that they share, and each may be
refused for the other's sake. So nothing is foreseen: what is there must be the form of some change, and no other change that
must be there may have been asked for when that one had been answered.
"""

from dataclasses import dataclass

FORMS = ["f32", "int8", "int4", "bin"]
FIRST = "int8"
"""What an index has that was made without a word about it."""
NEVER = float("inf")


@dataclass
class Change:
    """A VQUANT or a VNEW: when it was sent, and when it was answered with success."""

    index: str
    form: str
    sent: float
    answered: float = NEVER


def possible(before, changes, required):
    """The forms one index may have, which was of the form `before`; `required` says of a change that was answered whether it
    must be there."""
    last = max((change.sent for change in changes if change.answered < NEVER and required(change)), default=-NEVER)
    return {change.form for change in [Change("", before, -NEVER, -NEVER), *changes] if change.answered >= last}
