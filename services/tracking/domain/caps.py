"""Click caps: how many clicks an offer, or a partner on it, has had in a period.

Each edge counts its own clicks: N edges let through at most N times the cap. A count is handed out
with every click, as a mark that the journal writes before the click is answered, so that what was
answered stays counted over a restart or a crash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from afflux.kernel.catalog import CapPeriod, CapScope, ClickCap
from afflux.kernel.types import Millis
from services.tracking.domain.zones import DAY_MS, HOUR_MS, ZoneRules

MARK = b"k"
"""First byte of the keys of counts among the edge's marks."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_SLACK_MS = 2 * DAY_MS
Mark = tuple[bytes, bytes]
Place = tuple[int, int, CapPeriod]


class Caps(Struct, frozen=True):
    """The caps of one offer for one partner, with the zone that says when a period begins."""

    offer_id: int
    partner_id: int
    caps: tuple[ClickCap, ...]
    zone: ZoneRules

    def place(self, cap: ClickCap) -> Place:
        """Return where a cap is counted."""
        own = self.partner_id if cap.each is CapScope.PARTNER else 0
        return self.offer_id, own, cap.per


class Count(Struct, array_like=True):
    """The clicks of one period; `start` names it."""

    start: int
    clicks: int


class Kept(Struct, frozen=True, array_like=True):
    """A count as it stands in a mark."""

    partner_id: int
    per: CapPeriod
    start: int
    clicks: int


_decoder = msgspec.msgpack.Decoder(list[Kept])


class ClickCounts:
    """The counts of one edge."""

    def __init__(self) -> None:
        self._counts: dict[Place, Count] = {}

    def reached(self, caps: Caps, at: Millis) -> bool:
        """Return whether one of the caps lets no more clicks through."""
        return any(self._count(caps, cap, at).clicks >= cap.clicks for cap in caps.caps)

    def take(self, caps: Caps, at: Millis) -> Mark:
        """Count one click; return the mark that keeps the counts."""
        kept: list[Kept] = []
        for cap in caps.caps:
            count = self._count(caps, cap, at)
            count.clicks += 1
            _, own, per = caps.place(cap)
            kept.append(Kept(own, per, count.start, count.clicks))
        key = MARK + caps.offer_id.to_bytes(8, "big") + caps.partner_id.to_bytes(8, "big")
        return key, msgspec.msgpack.encode(kept)

    def restore(self, marks: Iterable[Mark]) -> None:
        """Take the counts in marks; of two for one period the higher is the later one."""
        for key, value in marks:
            offer_id = int.from_bytes(key[1:9], "big")
            for kept in _decoder.decode(value):
                place = (offer_id, kept.partner_id, kept.per)
                known = self._counts.setdefault(place, Count(kept.start, kept.clicks))
                latest = max((known.start, known.clicks), (kept.start, kept.clicks))
                known.start, known.clicks = latest

    def _count(self, caps: Caps, cap: ClickCap, at: Millis) -> Count:
        """Return the count of the period of `at`; a clock that stepped back stays in the period it
        left, unless it had been days ahead."""
        place = caps.place(cap)
        start = period_start(cap.per, caps.zone, at)
        count = self._counts.get(place)
        if count is None:
            count = self._counts[place] = Count(start, 0)
        elif start > count.start or count.start > at + _CLOCK_SLACK_MS:
            count.start, count.clicks = start, 0
        return count


def compile_caps(
    caps: Sequence[ClickCap], offer_id: int, partner_id: int, zone: ZoneRules
) -> Caps | None:
    """Return an offer's caps for a partner, or None if there are none."""
    return Caps(offer_id, partner_id, tuple(caps), zone) if caps else None


def period_start(per: CapPeriod, zone: ZoneRules, at: Millis) -> int:
    """Return what names the period of an instant; it ascends with time.

    An hour is named by the instant it began at, so that the hour a zone repeats in autumn counts
    twice; days and months by the local midnight they begin with.
    """
    local = zone.local(at)
    match per:
        case CapPeriod.HOUR:
            return at - local % HOUR_MS
        case CapPeriod.DAY:
            return local - local % DAY_MS
        case CapPeriod.MONTH:
            day = _EPOCH + timedelta(days=local // DAY_MS)
            return (day.replace(day=1) - _EPOCH).days * DAY_MS
        case CapPeriod.TOTAL:
            return 0
