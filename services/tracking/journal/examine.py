"""Looking at a segment file: which of its bytes are whole records, and which are none."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from services.tracking.journal.segment import (
    FRAME,
    HEADER_SIZE,
    HOLE,
    KINDS,
    Header,
    frames,
    span,
    unpack_header,
)


class Bad(Struct, frozen=True):
    """A run of bytes, from `start` up to `end`, that is no record."""

    start: int
    end: int


class Examined(Struct, frozen=True):
    """What a segment file holds.

    `records` counts by kind, `lost` the positions of holes. `bad` are the runs that are no records;
    one that reaches the end of the file is also what a write leaves that was cut off.
    """

    path: Path
    header: Header | None
    records: tuple[int, ...]
    lost: int
    size: int
    bad: tuple[Bad, ...]

    @property
    def positions(self) -> int:
        """How many positions its whole records and holes take."""
        return sum(self.records) + self.lost

    @property
    def torn_at(self) -> int | None:
        """Where it ends in bytes that are no record, and nothing whole comes behind; or None."""
        return self.bad[-1].start if self.bad and self.bad[-1].end == self.size else None

    @property
    def inner(self) -> tuple[Bad, ...]:
        """The bad runs with whole records behind them: no cut-off write leaves those."""
        return self.bad if self.torn_at is None else self.bad[:-1]


def examine(path: Path) -> Examined:
    """Read a segment file to its end.

    Errors: FileNotFoundError when it was shipped meanwhile; JournalOutdated for another format.
    """
    data = path.read_bytes()
    counts, lost, bad, place = [0] * KINDS, 0, [], HEADER_SIZE
    while place < len(data):
        for kind, payload, end in frames(data, place):
            place = end
            if kind == HOLE:
                lost += span(kind, payload)
            else:
                counts[kind] += 1
        if place < len(data):
            following = _next_record(data, place)
            bad.append(Bad(place, following))
            place = following
    return Examined(path, unpack_header(data), tuple(counts), lost, len(data), tuple(bad))


def _next_record(data: bytes, bad: int) -> int:
    """Return where the first whole record behind a bad one begins, or the end of the data."""
    for start in range(bad + 1, len(data) - FRAME.size):
        if next(frames(data, start), None) is not None:
            return start
    return len(data)
