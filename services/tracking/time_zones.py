"""Rules of time zones, read from the system's or the tzdata package's database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from afflux.kernel.types import Millis
from afflux.runtime.log import get_logger
from services.tracking.domain.zones import DAY_MS, ZoneRules, Zones
from services.tracking.domain.zones import UTC as UTC_RULES

log = get_logger(__name__)
_BEFORE_DAYS = 2
_AHEAD_DAYS = 3 * 366
"""Rules reach this far; they are made again with every change of the catalogue."""


def zones_at(now: Millis) -> Zones:
    """Return the rules of zones by name, right from two days before `now` for three years."""
    day = now // DAY_MS
    return lambda name: _rules(name, day)


@lru_cache(maxsize=1_024)
def _rules(name: str, day: int) -> ZoneRules:
    try:
        zone = ZoneInfo(name)
    except (OSError, ValueError) as error:
        log.error("time_zone_unknown", zone=name, error=repr(error), counted_as="UTC")
        return UTC_RULES
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day - _BEFORE_DAYS)
    instants, offsets = [_millis(start)], [_offset(zone, start)]
    for number in range(_BEFORE_DAYS + _AHEAD_DAYS):
        here, there = start + timedelta(days=number), start + timedelta(days=number + 1)
        if _offset(zone, there) != offsets[-1]:
            instants.append(_millis(_change(zone, here, there)))
            offsets.append(_offset(zone, there))
    return ZoneRules(tuple(instants), tuple(offsets))


def _change(zone: ZoneInfo, here: datetime, there: datetime) -> datetime:
    """Return the first second of a day's new offset."""
    before = _offset(zone, here)
    while there - here > timedelta(seconds=1):
        middle = here + timedelta(seconds=(there - here).total_seconds() // 2)
        here, there = (middle, there) if _offset(zone, middle) == before else (here, middle)
    return there


def _offset(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds() * 1_000)


def _millis(at: datetime) -> int:
    return round(at.timestamp() * 1_000)
