"""What an open conversion waits for, and whose it is."""

from __future__ import annotations

from afflux.kernel.events import Conversion
from afflux.kernel.outcome import DeadLetter
from afflux.kernel.types import Millis
from services.attribution.domain.journey import Journey, position
from services.attribution.domain.parking import visitor_of
from services.attribution.rows import Open


def concerns(opened: Open, since: Millis) -> bool:
    """Return whether a fact about a click at `since` or later can change this conversion."""
    return opened.conversion.occurred_at >= since or opened.conversion.click_id is not None


def owner(opened: Open) -> bytes:
    """Return the visitor of an open conversion."""
    visitor = visitor_of(opened.conversion)
    assert visitor is not None  # only conversions with a visitor are kept open
    return visitor


def covered_from(journey: Journey) -> int:
    """Return the offset of the clicks partition behind all that a journey lists."""
    named = () if journey.named is None else (journey.named,)
    return position((*journey.steps, *named))


def awaits_named(opened: Open, journey: Journey) -> bool:
    """Return whether the click that the report names has not come."""
    return opened.conversion.click_id is not None and journey.named is None


def conflict(conversion: Conversion, first: bytes) -> DeadLetter:
    """Return the second report under a key, for people; the first one stays (law I2)."""
    return DeadLetter(
        "conflicting_report",
        f"conversion {conversion.conversion_key.hex()} was reported before with body "
        f"{first.hex()}, now with {conversion.body_hash.hex()}",
    )
