"""What must be there, and what may: of the clients of one life, for a look after a restart or at a backup."""

from dataclasses import dataclass, field

from history import NEVER, Did


@dataclass
class Written:
    """What a writer did: `model` is the state before `todo`, (operation, sent, answered) each in order, of which `least` must
    be there. The last `unanswered` of them have no answer; their third moment is one by which the server was gone."""

    pool: object
    model: dict
    todo: list
    least: int
    unanswered: int
    tokens: list
    tokens_least: int


@dataclass
class Account:
    """What is known of one state: `counts` are the answers to INCR s:count, of which `counted` must be there and `counting`
    were sent; `shown` what a reader was shown and must be there; `shared` the histories of shared keys, with how many of each
    client's operations must be there (None: all that were answered). `ended` is when the server died; where some writes may be gone,
    `tier` says why, and `window` how old they are at most. `changes` of forms may be there (forms.py), and
    those of which `must_have` is true must be, unless others came later."""

    writers: list
    counts: list
    counted: int
    counting: int
    shown: tuple
    shared: list
    required: list | None
    ended: float
    tier: str = ""
    window: float = 0.0
    changes: list = field(default_factory=list)
    must_have: object = None


def of_life(life):
    """After a life: all that was acknowledged, but for what its tier lets go."""
    notes = [(note, replies[0], at) for writer in life.writers for note, replies, at in writer.notes_acknowledged]
    counts = [reply for note, reply, _ in notes if note == "count"]
    whole = life.keeps_all()
    shared = [sharer.did for sharer in life.sharers]
    return Account(
        writers=[written(writer, life) for writer in life.writers],
        counts=counts,
        counted=life.safe(at for note, _, at in notes if note == "count"),
        counting=sum(note == "count" for writer in life.writers for note, _ in writer.notes_sent),
        shown=(max([life.observer.count, *counts]), life.observer.log) if whole else (0, b""),
        shared=shared,
        required=None if whole else [life.safe_ticks(did.end for did in one) for one in shared],
        ended=life.ended,
        tier="" if whole else life.tier,
        window=life.window(),
        changes=[change for writer in life.writers for change in writer.changes],
        must_have=lambda change: life.safe([change.answered]) == 1,
    )


def written(writer, life):
    pending = [(op, sent, life.gone) for op, sent in writer.pending]
    told = [at for note, _, at in writer.notes_acknowledged if note != "count"]
    tokens = [note for note, _ in writer.notes_sent if note != "count"]
    if life.keeps_all():
        return Written(writer.pool, writer.model, pending, 0, len(pending), tokens, len(told))
    writer.model.clear()
    writer.model.update(writer.base)
    least = life.safe(at for _, _, at in writer.done)
    return Written(writer.pool, writer.model, writer.done + pending, least, len(pending), tokens, life.safe(told))


def of_backup(life, made):
    """Of a backup that was acknowledged: what had been when it was asked for, and nothing sent after its answer."""
    notes = [(note, at) for writer in life.writers for note, _, at in writer.notes_acknowledged]
    sent = [note for writer in life.writers for note, at in writer.notes_sent if at < made.answered]
    shared = [[until(did, made.answered_ticks) for did in sharer.did if did.start < made.answered_ticks] for sharer in life.sharers]
    return Account(
        writers=[copied(writer, life, made) for writer in life.writers],
        counts=[],
        counted=sum(note == "count" and at < made.asked for note, at in notes),
        counting=sent.count("count"),
        shown=life.observer.shown_before(made.asked),
        shared=shared,
        required=[sum(did.end != NEVER and did.end < made.asked_ticks for did in one) for one in shared],
        ended=life.gone,
        changes=[change for writer in life.writers for change in writer.changes if change.sent < made.answered],
        must_have=lambda change: change.answered < made.asked,
    )


def until(did, moment):
    """As it was known then: an answer that came later may tell of what came later."""
    return did if did.end < moment else Did(did.words, did.start)


def copied(writer, life, made):
    """What a backup holds of a writer. Its model is one of its own."""
    todo = [*writer.done, *((op, sent, life.gone) for op, sent in writer.pending)]
    todo = [(op, sent, answered) for op, sent, answered in todo if sent < made.answered]
    least = sum(answered < made.asked for _, _, answered in writer.done)
    told = sum(note != "count" and at < made.asked for note, _, at in writer.notes_acknowledged)
    tokens = [note for note, at in writer.notes_sent if note != "count" and at < made.answered]
    return Written(writer.pool, dict(writer.base), todo, least, max(0, len(todo) - len(writer.done)), tokens, told)
