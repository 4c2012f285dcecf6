"""Places in a journal: a segment and a byte in it, in front of a record."""

from __future__ import annotations

from pathlib import Path

import msgspec

from services.tracking.domain.entries import ClickEntry, Entry, ImpressionEntry, decode
from services.tracking.journal.segment import (
    FRAME,
    HEADER_SIZE,
    HOLE,
    MAX_PAYLOAD,
    frames,
    segments,
    span,
    unpack_header,
)

Place = tuple[Path, int]
_GLANCE = 4_096
"""Bytes in which nearly every record ends."""


def place_after(folder: Path, position: int) -> Place | None:
    """Return the place of the first record behind a position, else the end of the journal; None
    without segments. Reads whole segments, from the oldest on."""
    place: Place | None = None
    for path in segments(folder):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue  # shipped and deleted meanwhile
        header = unpack_header(data)
        if header is None:
            continue
        place, at = (path, HEADER_SIZE), header.first_position
        for kind, payload, end in frames(data, HEADER_SIZE):
            if at > position:
                return place
            at += span(kind, payload)
            place = (path, end)
    return place


def first_record_at(folder: Path, place: Place | None) -> int | None:
    """Return when the first record behind a place came in (milliseconds), or None if there is none
    or nobody can read it."""
    for path in segments(folder):
        if place is not None and path < place[0]:
            continue
        start = place[1] if place is not None and path == place[0] else HEADER_SIZE
        try:
            with path.open("rb") as file:
                file.seek(start)
                data = file.read(_GLANCE)
                if next(frames(data), None) is None:
                    data += file.read(FRAME.size + MAX_PAYLOAD - _GLANCE)
        except FileNotFoundError:
            continue
        for kind, payload, _ in frames(data):
            if kind != HOLE:
                return came_in_at(payload)
        if data:
            return None
    return None


def bytes_behind(folder: Path, place: Place | None) -> int:
    """Return how many bytes of records the journal holds behind a place; None: all of it."""
    total = 0
    for path in segments(folder):
        if place is not None and path < place[0]:
            continue
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            continue
        start = place[1] if place is not None and path == place[0] else HEADER_SIZE
        total += max(0, size - start)
    return total


def came_in_at(payload: bytes) -> int | None:
    """Return when a record came in (milliseconds), or None if nobody can read it."""
    try:
        return instant(decode(payload))
    except msgspec.MsgspecError:
        return None


def instant(entry: Entry) -> int:
    """Return when an entry came in (milliseconds)."""
    if isinstance(entry, (ClickEntry, ImpressionEntry)):
        return entry.received_at
    return entry.event.recorded_at
