"""Which reports were kept: key -> body hash, for ever (laws I1, I2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from afflux.kernel.events import Adjustment, Conversion
from afflux.kernel.types import Id16
from afflux.runtime.rocks import Rocks
from services.tracking.domain.entries import AdjustmentEntry, ConversionEntry, Kind, decode
from services.tracking.journal.segment import HEADER_SIZE, frames, segments
from services.tracking.journal.writer import Mark

_CONVERSION, _ADJUSTMENT = b"c", b"a"
Report = Conversion | Adjustment


class Known(Struct, frozen=True):
    """What stands under a key; `goal` of a conversion, None if it was kept before goals were."""

    body_hash: bytes
    advertiser_id: int
    goal: str | None = None


def index_key(report: Report) -> bytes:
    """Return where a report stands: a conversion under its key, an adjustment under its id."""
    match report:
        case Conversion():
            return _CONVERSION + report.conversion_key
        case Adjustment():
            return _ADJUSTMENT + report.event_id


def mark_of(report: Report) -> Mark:
    """Return what is written when a report is durable: body hash, advertiser, conversion's goal."""
    goal = report.goal.encode() if isinstance(report, Conversion) else b""
    return index_key(report), report.body_hash + report.advertiser_id.to_bytes(8, "big") + goal


class ReportIndex:
    """The index of one edge. It follows the journal: `catch_up` mends what a crash left out."""

    def __init__(self, path: Path) -> None:
        self._rocks = Rocks(path)

    def get(self, key: bytes) -> Known | None:
        """Return what stands under an index key."""
        return _known(self._rocks.get(key))

    def conversion(self, conversion_key: Id16) -> Known | None:
        """Return the kept conversion of a key."""
        return self.get(_CONVERSION + conversion_key)

    def add(self, marks: Sequence[Mark]) -> None:
        """Write marks; the first report under a key stays."""
        batch = self._rocks.batch()
        for key, value in marks:
            batch.put(key, value)
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
                    key, value = mark_of(entry.event)
                    marks.setdefault(key, value)
        self.add([mark for mark in marks.items() if self._rocks.get(mark[0]) is None])
        return len(marks)

    def marks(self, prefix: bytes) -> list[Mark]:
        """Return all marks whose key begins with `prefix`."""
        return list(self._rocks.scan(prefix))

    def close(self) -> None:
        """Flush and close."""
        self._rocks.close()


def _known(value: bytes | None) -> Known | None:
    if value is None:
        return None
    return Known(value[:16], int.from_bytes(value[16:24], "big"), value[24:].decode() or None)
