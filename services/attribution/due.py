"""When the graces of open conversions end, in log time."""

from __future__ import annotations

from afflux.kernel.types import Millis
from services.attribution import rows
from services.attribution.overlay import Overlay

SWEEP = 500
"""Conversions taken in one batch when their grace ends."""


class Dues:
    """One queue of (due, conversion) in the state; `name` is DUE or VIEWS_DUE."""

    def __init__(self, state: Overlay, name: bytes) -> None:
        self._rows = state
        self._name = name
        self._next: Millis | None = Millis(0)
        self._new: Millis | None = None

    def add(self, due: Millis, conversion_key: bytes, visitor: bytes) -> None:
        """Await the end of a conversion's grace."""
        self._rows.put(rows.due_key(self._name, due, conversion_key), visitor)
        self._new = _earlier(self._new, due)

    def remove(self, due: Millis, conversion_key: bytes) -> None:
        """Await it no more."""
        self._rows.delete(rows.due_key(self._name, due, conversion_key))

    def take(self, reached: Millis) -> list[tuple[bytes, bytes]]:
        """Take (visitor, conversion key) of those due before log time `reached`, SWEEP at most."""
        if self._next is None or self._next >= reached:
            return []
        taken: list[tuple[bytes, bytes]] = []
        self._next = None
        for key, visitor in self._rows.above(self._name):
            due, conversion_key = rows.split_due_key(key)
            if due >= reached or len(taken) == SWEEP:
                self._next = due
                break
            taken.append((visitor, conversion_key))
            self._rows.delete(key)
        return taken

    def committed(self) -> None:
        """What was added is in the store, where `take` finds it."""
        self._next, self._new = _earlier(self._next, self._new), None


def _earlier(one: Millis | None, other: Millis | None) -> Millis | None:
    return min((value for value in (one, other) if value is not None), default=None)
