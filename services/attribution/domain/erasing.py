"""Which facts an erasure leaves to attribution, and when the visitor's state may go.

An erasure holds as of its instant E, in log time, so that a log replayed gives the same decisions
(law A2): a report logged up to E is decided by the clicks and flags logged up to E, whenever it is
read; a later report is decided by its click id alone. The journey itself is deleted once all that
was logged up to E is processed. What comes later still with a log time before E (an edge that was
cut off, a partition without other traffic) finds no journey either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from msgspec import Struct

from afflux.kernel.types import Millis


class Ends(Struct, frozen=True):
    """Ends of the partition's topics, as of some instant after an erasure."""

    clicks: int
    flags: int
    conversions: int
    redecisions: int = 0
    views: int = 0


class Reached(Struct, frozen=True):
    """Next offsets of one partition; below `horizon` clicks are read and screened."""

    horizon: int
    flags: int
    conversions: int
    redecisions: int = 0
    views: int = 0

    def covers(self, ends: Ends) -> bool:
        """Return whether all that stands below `ends` is processed."""
        return (
            self.horizon >= ends.clicks
            and self.flags >= ends.flags
            and self.conversions >= ends.conversions
            and self.redecisions >= ends.redecisions
            and self.views >= ends.views
        )


class Erasing:
    """What one partition refuses, and what it has still to forget.

    `erased`: instant of the erasure by visitor; it grows while this looks at it.
    """

    def __init__(self, erased: Mapping[bytes, Millis]) -> None:
        self._erased = erased
        self._looked_at = 0
        self._pending: dict[bytes, Ends | None] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def fresh(self) -> list[bytes]:
        """Return the visitors that `erased` has got since the last call."""
        new = list(islice(self._erased, self._looked_at, None))
        self._looked_at += len(new)
        return new

    def begin(self, visitor: bytes) -> None:
        """Remember that the visitor's state is still there."""
        self._pending.setdefault(visitor, None)

    def done(self, visitor: bytes) -> None:
        """The visitor's state is gone."""
        self._pending.pop(visitor, None)

    def refuses(self, visitor: bytes, at: Millis) -> bool:
        """Return whether a fact of log time `at` comes after the visitor's erasure."""
        since = self._erased.get(visitor)
        return since is not None and (at > since or visitor not in self._pending)

    def erased_before(self, visitor: bytes, at: Millis) -> bool:
        """Return whether the visitor was erased before log time `at`."""
        since = self._erased.get(visitor)
        return since is not None and at > since

    def named(self, visitors: Sequence[bytes]) -> list[int]:
        """Return which of these are erased at any time, by their index."""
        erased = self._erased
        return [n for n, visitor in enumerate(visitors) if visitor in erased] if erased else []

    def forgot(self, visitor: bytes) -> bool:
        """Return whether the visitor was erased and its state is gone."""
        return visitor in self._erased and visitor not in self._pending

    def until(self, visitor: bytes, due: Millis) -> Millis:
        """Return up to which log time facts count: the end of the grace, or the erasure."""
        return min(due, self._erased.get(visitor, due))

    def waits_for_ends(self, before: Millis) -> bool:
        """Return whether an erasure before this instant does not know what to wait for."""
        return any(
            ends is None and self._erased[visitor] < before
            for visitor, ends in self._pending.items()
        )

    def wait_for(self, ends: Ends, before: Millis) -> None:
        """Let the erasures before this instant wait for these ends of the log."""
        for visitor, known in self._pending.items():
            if known is None and self._erased[visitor] < before:
                self._pending[visitor] = ends

    def ripe(self, reached: Reached) -> Iterator[bytes]:
        """Yield the visitors whose state may go now, in the order of their keys."""
        for visitor, ends in sorted(self._pending.items()):
            if ends is not None and reached.covers(ends):
                yield visitor
