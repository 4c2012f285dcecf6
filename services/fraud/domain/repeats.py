"""Repeated clicks: what a visitor did before on the same link.

A click is a repeat when the log holds, before it, another click of the same visitor on the same
link whose `occurred_at` is less than the offer's limit away, earlier or later: a click that comes
late into the log is judged by when it happened. Judging depends on the log's order alone, never
on batches. A repeat counts as a click to compare with, so a chain of quick clicks has one valid
click, its first in the log.
"""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.types import Millis

KEPT = 8
"""Clicks kept of one visitor on one link: the latest by `occurred_at`."""

_ENTRY = 24


class Past(Struct, frozen=True):
    """A click that stands before in the log."""

    occurred_at: Millis
    click_id: bytes


Recent = tuple[Past, ...]
"""Clicks of one visitor on one link, by (occurred_at, click_id)."""


def repeat_of(recent: Recent, occurred_at: Millis, limit_ms: int) -> Past | None:
    """Return the nearest earlier-logged click less than `limit_ms` away, or None.

    The elder wins where two are equally near. A limit of 0 switches the rule off.
    """
    near = [past for past in recent if abs(past.occurred_at - occurred_at) < limit_ms]
    return min(near, key=lambda past: abs(past.occurred_at - occurred_at), default=None)


def remember(recent: Recent, occurred_at: Millis, click_id: bytes) -> Recent:
    """Return `recent` with one more click, cut to the `KEPT` latest."""
    grown = (*recent, Past(occurred_at, click_id))
    return tuple(sorted(grown, key=lambda past: (past.occurred_at, past.click_id))[-KEPT:])


def pack(recent: Recent) -> bytes:
    """Return the stored form: 8 bytes of time and 16 of id for each click."""
    return b"".join(p.occurred_at.to_bytes(8, "big", signed=True) + p.click_id for p in recent)


def unpack(data: bytes | None) -> Recent:
    """Return what `pack` stored; nothing stored is no click."""
    if not data:
        return ()
    return tuple(
        Past(
            Millis(int.from_bytes(data[at : at + 8], "big", signed=True)),
            data[at + 8 : at + _ENTRY],
        )
        for at in range(0, len(data), _ENTRY)
    )
