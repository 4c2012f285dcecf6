"""What a journal holds and how it is, told from its files alone, beside a running edge or not."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from services.tracking.checkpoint import load
from services.tracking.domain.entries import ClickEntry, ImpressionEntry, Kind, decode
from services.tracking.journal.examine import Examined, examine
from services.tracking.journal.place import came_in_at, instant
from services.tracking.journal.segment import (
    HEADER_SIZE,
    HOLE,
    Header,
    frames,
    segments,
    span,
    unpack_header,
)


class Segment(Struct, frozen=True):
    """One segment.

    `state` is `whole`, `torn` (the newest ends in a write that is under way or was cut off: the
    edge cuts it when it starts) or `damaged`; `at` is the first bad byte. `lost` are the positions
    of records that a repair found no more. `shipped` counts its records that Kafka has acked.
    """

    file: str
    sequence: int | None
    first_position: int | None
    created_at: int | None
    bytes: int
    records: dict[str, int]
    lost: int
    state: str
    at: int | None
    shipped: int


class Report(Struct, frozen=True):
    """A journal: its segments, oldest first, and how far its shipper is (positions).

    `unshipped` counts whole records; `oldest_unshipped_at` is when the first of them came in.
    """

    folder: str
    segments: list[Segment]
    shipped_position: int
    unshipped: int
    oldest_unshipped_at: int | None
    bytes: int

    @property
    def damaged(self) -> bool:
        """Whether a person has to look."""
        return any(segment.state == "damaged" for segment in self.segments)


class Shown(Struct, frozen=True):
    """One record as it is kept; ids and hashes in hexadecimal digits."""

    position: int
    kind: str
    at: int | None
    fields: object


def inspect(folder: Path) -> Report:
    """Read a journal from its first to its last byte.

    Errors: JournalOutdated for segments of another version's format.
    """
    checkpoint = load(folder)
    acked = -1 if checkpoint is None else checkpoint.position
    found: list[Segment] = []
    position: int | None = None
    for one, is_newest in _examined(folder):
        found.append(_segment(one, acked, position, is_newest))
        position = None
        if one.header is not None and not one.bad:
            position = one.header.first_position + one.positions
    unshipped = sum(sum(one.records.values()) - one.shipped for one in found)
    first = next(iter(records(folder, after=acked)), None)
    return Report(
        str(folder),
        found,
        acked,
        unshipped,
        None if first is None else came_in_at(first[2]),
        sum(one.bytes for one in found),
    )


def _examined(folder: Path) -> Iterator[tuple[Examined, bool]]:
    paths = segments(folder)
    for path in paths:
        try:
            yield examine(path), path == paths[-1]
        except FileNotFoundError:
            continue  # shipped and deleted meanwhile


def _segment(one: Examined, acked: int, expected: int | None, is_newest: bool) -> Segment:
    header, state, at = one.header, "whole", None
    if header is None or (expected is not None and header.first_position != expected):
        state, at = "damaged", 0
    elif one.inner or (one.bad and not is_newest):
        state, at = "damaged", one.bad[0].start
    elif one.bad:
        state, at = "torn", one.torn_at
    shipped = 0 if header is None else acked + 1 - header.first_position
    return Segment(
        one.path.name,
        None if header is None else header.sequence,
        None if header is None else header.first_position,
        None if header is None else header.created_at,
        one.size,
        {kind.name.lower(): one.records[kind] for kind in Kind},
        one.lost,
        state,
        at,
        max(0, min(shipped, sum(one.records))),
    )


def records(folder: Path, after: int = -1) -> Iterator[tuple[int, int, bytes]]:
    """Yield (position, kind, payload) of each record behind a position, up to the first bad one of
    each segment."""
    paths = segments(folder)
    for number, path in enumerate(paths):
        if number + 1 < len(paths) and _begins(paths[number + 1], after + 1):
            continue
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        header = unpack_header(data)
        if header is not None:
            yield from _records(data, header, after)


def _records(data: bytes, header: Header, after: int) -> Iterator[tuple[int, int, bytes]]:
    position = header.first_position
    for kind, payload, _ in frames(data, HEADER_SIZE):
        if kind != HOLE and position > after:
            yield position, kind, payload
        position += span(kind, payload)


def _begins(path: Path, position: int) -> bool:
    """Tell whether a segment begins at or before a position."""
    try:
        with path.open("rb") as file:
            header = unpack_header(file.read(HEADER_SIZE))
    except FileNotFoundError:
        return True
    return header is not None and header.first_position <= position


def newest_records(folder: Path, count: int, kind: Kind | None) -> list[Shown]:
    """Return the newest whole records, oldest first, of one kind or of all."""
    found: deque[tuple[int, int, bytes]] = deque(maxlen=count)
    found.extend(one for one in records(folder) if kind is None or one[1] == kind)
    return [_shown(*one) for one in found]


def _shown(position: int, kind: int, payload: bytes) -> Shown:
    name = Kind(kind).name.lower()
    try:
        entry = decode(payload)
    except msgspec.MsgspecError as error:
        return Shown(position, name, None, {"undecodable": str(error), "payload": payload.hex()})
    content = entry if isinstance(entry, (ClickEntry, ImpressionEntry)) else entry.event
    return Shown(position, name, instant(entry), _plain(msgspec.structs.asdict(content)))


def _plain(value: object) -> object:
    """Return a value with its bytes as hexadecimal digits."""
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case msgspec.Struct():
            return _plain(msgspec.structs.asdict(value))
        case _:
            return value
