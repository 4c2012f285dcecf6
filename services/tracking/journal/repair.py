"""Making a damaged segment readable again, without hiding what was lost.

The bytes that are no record are set aside in files of their own (`SEGMENT.BYTE.damaged`), and a
hole takes their positions: what stands behind it keeps its place, and the counts of the journal go
on saying how much was answered for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from services.tracking.journal.examine import Bad, Examined, examine
from services.tracking.journal.segment import HEADER_SIZE, Header, hole, segments


class Mended(Struct, frozen=True):
    """A bad run of a segment, what it stood for, and the file that has its bytes now."""

    segment: str
    at: int
    bytes: int
    lost: int
    kept_in: str


def repair(folder: Path) -> list[Mended]:
    """Repair all closed segments; return what was bad.

    The newest segment is the edge's: it mends that when it starts. May run beside edge and shipper.
    """
    mended: list[Mended] = []
    paths = segments(folder)
    # From the newest on: the header behind has to be whole before it can tell of the one in front.
    for path, following in reversed(list(pairwise(paths))):
        found, behind = examine(path), examine(following).header
        if behind is None or (found.header is not None and not found.bad):
            continue
        header = found.header or _header(found, behind)
        lost = [1] * len(found.bad)
        if lost:
            # How many there were is known from the header behind; which run had how many is not.
            missing = behind.first_position - header.first_position - found.positions
            lost[0] = missing - len(lost) + 1
        mended = [*_mend(found, header, found.bad, lost), *mended]
    return mended


def mend_newest(found: Examined, header: Header) -> list[Mended]:
    """Repair the newest segment but for its tail; each bad run is taken for one record.

    Only what was never shipped stands behind damage: it may get other positions than it had.
    """
    return _mend(found, header, found.inner, [1] * len(found.inner))


def _mend(found: Examined, header: Header, bad: Sequence[Bad], lost: Sequence[int]) -> list[Mended]:
    data = found.path.read_bytes()
    mended = [_set_aside(found, data, run, count) for run, count in zip(bad, lost, strict=True)]
    pieces, place = [header.pack()], HEADER_SIZE
    for run, count in zip(bad, lost, strict=True):
        pieces += [data[place : run.start], *([hole(count)] if count > 0 else [])]
        place = run.end
    if found.header is None:
        mended.insert(0, _set_aside(found, data, Bad(0, HEADER_SIZE), 0))
    _replace(found.path, b"".join([*pieces, data[place:]]))
    return mended


def _header(found: Examined, behind: Header) -> Header:
    """Return the header that a segment must have had, told from the one behind it."""
    return Header(
        int(found.path.stem),
        behind.first_position - found.positions - len(found.bad),
        int(found.path.stat().st_mtime * 1_000),
        tuple(total - own for total, own in zip(behind.counts, found.records, strict=True)),
        behind.unlogged,
    )


def _set_aside(found: Examined, data: bytes, run: Bad, lost: int) -> Mended:
    kept_in = found.path.with_suffix(f".{run.start}.damaged")
    _write(kept_in, data[run.start : run.end])
    return Mended(found.path.name, run.start, run.end - run.start, lost, kept_in.name)


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_suffix(".mending")
    _write(fresh, data)
    fresh.replace(path)
    fd = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
