"""Reading an instant as advertisers write it."""

from __future__ import annotations

import re
from datetime import datetime

from afflux.kernel.types import Millis

_EPOCH = re.compile(r"\d{9,13}")
_LOST_PLUS = re.compile(r"(T.*) (\d\d:?\d\d)$")
_SECONDS_BELOW = 10**11
EARLIEST = Millis(946_684_800_000)
"""2000-01-01: an order before it is an error of units."""
AHEAD_MS = 86_400_000
"""An order may be this far ahead of our clock (time zones mistaken for UTC), not further."""


def parse_instant(text: str) -> Millis:
    """Return the instant in `text`: epoch seconds, epoch milliseconds, or ISO 8601 with a zone.

    A `+` of the zone that a query string turned into a space is understood. Raises ValueError
    with a sentence.
    """
    if _EPOCH.fullmatch(text):
        number = int(text)
        return Millis(number * 1000 if number < _SECONDS_BELOW else number)
    try:
        moment = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text))
    except ValueError:
        raise ValueError(
            f"{text[:40]!r} is not epoch seconds, epoch milliseconds or ISO 8601"
        ) from None
    if moment.tzinfo is None:
        raise ValueError(f"{text[:40]!r} has no time zone: add Z or an offset like +02:00")
    try:
        seconds = moment.timestamp()
    except (OverflowError, ValueError):
        raise ValueError(f"{text[:40]!r} is out of range") from None
    return Millis(round(seconds) * 1000 if not moment.microsecond else round(seconds * 1000))


def parse_order_time(text: str, received_at: Millis) -> Millis:
    """Return when an order was placed; raises ValueError if it is implausible."""
    order_at = parse_instant(text)
    if order_at < EARLIEST:
        raise ValueError(f"{text[:40]!r} is before the year 2000")
    if order_at > received_at + AHEAD_MS:
        raise ValueError(f"{text[:40]!r} is more than a day in the future")
    return order_at
