"""A visitor's clicks and views, and what of them one conversion may look at.

Log time of a click is the highest `recorded_at` in its partition up to and including it. It never
falls, and depends on the clicks partition alone: who reads the topics faster changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from afflux.kernel.types import Millis

MAX_TOUCHES = 200
"""A decision sees at most this many clicks of its advertiser, as many of its views, and as many
clicks of all others: the newest of each."""
MAX_LOOKED_AT = 20_000
"""A decision looks at no more of a visitor's touches than this, the newest."""


class Tags(Struct, frozen=True, array_like=True):
    """What the partner had put into a click, and its country and device."""

    ref_id: str | None = None
    source: str | None = None
    sub: tuple[str, ...] = ()
    country: str | None = None
    device: str | None = None


NO_TAGS = Tags()


class Seen(Struct, frozen=True):
    """A click or a view as the state keeps it: `kind` is "click" or "impression".

    `no_touch`: why it can earn nothing (refused, preview). Of an impression, `click_id` is its
    impression id, and `offset` and `log_time` are those of the impressions partition.
    """

    click_id: bytes
    occurred_at: Millis
    recorded_at: Millis
    log_time: Millis
    offset: int
    partner_id: int
    offer_id: int
    link_id: int
    advertiser_id: int
    no_touch: str | None = None
    tags: Tags = NO_TAGS
    kind: str = "click"


class Note(Struct, frozen=True, array_like=True):
    """One signal on a click. `late_at`: log time of its flag if it came after the first screening.

    A flag of the first screening stands before the watermark of its click and has `late_at` 0.
    """

    signal: str
    invalid: bool
    recorded_at: Millis
    late_at: Millis = Millis(0)


class Step(Struct, frozen=True):
    """A click with the notes that count."""

    seen: Seen
    notes: tuple[Note, ...] = ()

    @property
    def invalid(self) -> bool:
        """Whether the screen called the click invalid."""
        return bool(self.notes) and any(note.invalid for note in self.notes)

    @property
    def signals(self) -> list[str]:
        """Names of all signals, each once, sorted."""
        return sorted({note.signal for note in self.notes}) if self.notes else []


class Journey(Struct, frozen=True):
    """What one conversion may look at: touches up to its time, oldest first, and the named click.

    `named` is the click the report names, once it has come, however late it was logged; it is
    among `steps` only if it is one of the newest touches. `omitted`: there were more.
    """

    steps: tuple[Step, ...] = ()
    named: Step | None = None
    omitted: bool = False


def counted(notes: Sequence[Note], until: Millis) -> tuple[Note, ...]:
    """Return the notes of the first screening, and the later ones up to log time `until`."""
    if not notes:
        return ()
    return tuple(sorted((note for note in notes if note.late_at <= until), key=_by_signal))


def merge_notes(known: Iterable[Note], more: Iterable[Note]) -> tuple[Note, ...]:
    """Return all notes, the first one of each signal: a flag that comes again changes nothing."""
    merged: dict[str, Note] = {}
    for note in (*known, *more):
        merged.setdefault(note.signal, note)
    return tuple(merged.values())


def gather(
    newest_first: Iterable[tuple[Seen, tuple[Note, ...]]],
    occurred_at: Millis,
    until: Millis,
    advertiser_id: int,
) -> tuple[tuple[Step, ...], bool]:
    """Return the touches of a conversion at `occurred_at` whose grace ends at log time `until`,
    oldest first, and whether there were more touches of `advertiser_id` than a decision sees.

    `newest_first` are the visitor's touches against time; it is read no further than needed. A
    journey ends with its conversion: later touches are none of it. Views of other advertisers
    are left out, and their clicks do not count towards the bounds of this one's. What has come
    by `until` is a property of the log, so all bounds are, too.
    """
    steps: list[Step] = []
    left = {"click": MAX_TOUCHES, "impression": MAX_TOUCHES, "other": MAX_TOUCHES}
    looked_at = 0
    for seen, notes in newest_first:
        if seen.occurred_at > occurred_at or seen.log_time > until:
            continue
        looked_at += 1
        if looked_at > MAX_LOOKED_AT:
            return _in_order(steps), True
        own = seen.advertiser_id == advertiser_id
        if seen.no_touch or not (own or seen.kind == "click"):
            continue
        which = seen.kind if own else "other"
        left[which] -= 1
        if left[which] >= 0:
            steps.append(Step(seen, counted(notes, until)))
    return _in_order(steps), left["click"] < 0 or left["impression"] < 0


def position(steps: Iterable[Step]) -> int:
    """Return the offset behind the last click among these touches, 0 for none."""
    return max((step.seen.offset + 1 for step in steps if step.seen.kind == "click"), default=0)


def _in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    return tuple(sorted(steps, key=by_time))


def _by_signal(note: Note) -> str:
    return note.signal


def by_time(step: Step) -> tuple[int, bytes]:
    """Return the order of touches: by time, and where that is equal by id."""
    return step.seen.occurred_at, step.seen.click_id
