"""How much the edge answered for, told from the journal alone."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, field

from services.tracking.domain.entries import Kind
from services.tracking.journal.segment import (
    HEADER_SIZE,
    HOLE,
    Header,
    frames,
    segments,
    span,
    unpack_header,
)


class Tally(Struct):
    """State of a journal behind its last whole record."""

    sequence: int = -1
    next_position: int = 0
    counts: list[int] = field(default_factory=lambda: [0] * len(Kind))
    unlogged: int = 0


def scan(path: Path) -> tuple[Header, Tally, int, int] | None:
    """Return header, tally, end of the last whole record and file size; None without a header.

    Errors: JournalOutdated for a segment of another version's format.
    """
    data = path.read_bytes()
    header = unpack_header(data)
    if header is None:
        return None
    counts = list(header.counts)
    position, good = header.first_position, HEADER_SIZE
    for kind, payload, end in frames(data, HEADER_SIZE):
        if kind != HOLE:
            counts[kind] += 1
        position += span(kind, payload)
        good = end
    tally = Tally(header.sequence, position, counts, header.unlogged)
    return header, tally, good, len(data)


def last_tally(folder: Path) -> Tally:
    """Return the tally of the newest readable segment, else an empty one."""
    for path in reversed(segments(folder)):
        try:
            found = scan(path)
        except FileNotFoundError:
            continue  # shipped and deleted meanwhile
        if found is not None:
            return found[1]
    return Tally()


def journal_counts(folder: Path) -> dict[str, int]:
    """Return how many records of each kind the edge has journaled since ever, and `unlogged`:
    clicks that were redirected while the journal was full (as of the last segment change)."""
    tally = last_tally(folder)
    named = {kind.name.lower(): tally.counts[kind] for kind in Kind}
    return {**named, "unlogged": tally.unlogged}
