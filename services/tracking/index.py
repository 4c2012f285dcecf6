"""Which reports were kept, and of which click: for ever (laws I1, I2)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from itertools import islice
from pathlib import Path

from msgspec import Struct

from afflux.kernel.events import Status
from afflux.kernel.ids import derive
from afflux.kernel.types import Id16
from afflux.runtime.rocks import Rocks
from services.tracking.domain.entries import AdjustmentEntry, ConversionEntry, Kind, decode
from services.tracking.journal.segment import HEADER_SIZE, frames, segments
from services.tracking.journal.writer import Mark

_CONVERSION, _ADJUSTMENT, _OF_CLICK = b"c", b"a", b"o"
_MORE = b"\xff"
"""Ends the goal, as no text in UTF-8 holds it; then come status, stem and click id."""
_LETTERS = {status: status[0].encode() for status in Status}
_STATUS = {letter: status for status, letter in _LETTERS.items()}
Report = ConversionEntry | AdjustmentEntry


class Several(Enum):
    """More than one where one was looked for."""

    KNOWN = auto()


class Known(Struct, frozen=True):
    """What stands under a key; of a conversion its `goal`, and `status`, `stem` (the hash of its
    body without the status) and `click_id`, if it was not kept before they were."""

    body_hash: bytes
    advertiser_id: int
    goal: str | None = None
    status: Status | None = None
    stem: bytes = b""
    click_id: bytes = b""


def index_key(report: Report) -> bytes:
    """Return where a report stands: a conversion under its key, an adjustment under its id."""
    match report:
        case ConversionEntry():
            return _CONVERSION + report.event.conversion_key
        case AdjustmentEntry():
            return _ADJUSTMENT + report.event.event_id


def mark_of(report: Report) -> Mark:
    """Return what is written when a report is durable: a `Known`, as bytes."""
    event = report.event
    value = event.body_hash + event.advertiser_id.to_bytes(8, "big")
    if isinstance(report, ConversionEntry):
        value += report.event.goal.encode()
        if report.stem:
            letter, click_id = _LETTERS[report.event.status], report.event.click_id or b""
            value += _MORE + letter + report.stem + click_id
    return index_key(report), value


class ReportIndex:
    """The index of one edge. It follows the journal: `catch_up` mends what a crash left out."""

    def __init__(self, path: Path) -> None:
        self._rocks = Rocks(path)

    def get(self, key: bytes) -> Known | None:
        """Return what stands under an index key."""
        value = self._rocks.get(key)
        return None if value is None else _read(value)

    def conversion(self, conversion_key: Id16) -> Known | None:
        """Return the kept conversion of a key."""
        return self.get(_CONVERSION + conversion_key)

    def has_adjustment(self, event_id: Id16) -> bool:
        """Tell whether an adjustment was kept."""
        return self._rocks.get(_ADJUSTMENT + event_id) is not None

    def only_conversion(self, click_id: Id16, goal: str) -> Id16 | Several | None:
        """Return the key of the one conversion with this goal that was kept of a click; None if
        there is none, `Several` if there are more."""
        prefix = _of_click(click_id, goal)
        keys = [key.removeprefix(prefix) for key, _ in islice(self._rocks.scan(prefix), 2)]
        if len(keys) > 1:
            return Several.KNOWN
        return Id16(keys[0]) if keys else None

    def add(self, marks: Sequence[Mark]) -> None:
        """Write marks; the first report under a key stays."""
        batch = self._rocks.batch()
        for key, value in marks:
            batch.put(key, value)
            if key.startswith(_CONVERSION):
                known = _read(value)
                if known.click_id and known.goal:
                    place = _of_click(known.click_id, known.goal)
                    batch.put(place + key.removeprefix(_CONVERSION), b"")
        self._rocks.write(batch)

    def catch_up(self, journal: Path) -> int:
        """Add the reports of the journal's newest two segments; return how many there were.

        A report is indexed before it is answered and before its segment is closed, so that a crash
        can leave out the last ones only.
        """
        marks: dict[bytes, bytes] = {}
        for path in segments(journal)[-2:]:
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue  # shipped and deleted meanwhile
            for kind, payload, _ in frames(data, HEADER_SIZE):
                if kind in (Kind.CONVERSION, Kind.ADJUSTMENT):
                    entry = decode(payload)
                    assert isinstance(entry, (ConversionEntry, AdjustmentEntry))
                    key, value = mark_of(entry)
                    marks.setdefault(key, value)
        self.add([mark for mark in marks.items() if self._rocks.get(mark[0]) is None])
        return len(marks)

    def marks(self, prefix: bytes) -> list[Mark]:
        """Return all marks whose key begins with `prefix`."""
        return list(self._rocks.scan(prefix))

    def close(self) -> None:
        """Flush and close."""
        self._rocks.close()


def _of_click(click_id: bytes, goal: str) -> bytes:
    return _OF_CLICK + click_id + derive("goal-of-click", goal)


def _read(value: bytes) -> Known:
    goal, _, more = value[24:].partition(_MORE)
    return Known(
        body_hash=value[:16],
        advertiser_id=int.from_bytes(value[16:24], "big"),
        goal=goal.decode() or None,
        status=_STATUS[more[:1]] if more else None,
        stem=more[1:17],
        click_id=more[17:],
    )
