"""Up to which instant the catalogue must be known before an event is taken (law A2)."""

from __future__ import annotations

from afflux.kernel.events import Conversion, CustomerBound, Event, Impression, Redecision
from afflux.kernel.types import Millis


def knowledge(event: Event) -> Millis:
    """Return the instant, 0 for an event that asks the catalogue nothing."""
    match event:
        case Conversion() | Impression():
            return event.recorded_at
        case CustomerBound(asked=asked) if asked is not None:
            return max(asked.reported_at, asked.terms_known_at or Millis(0))
        case Redecision():
            return max(event.known_at, event.conversion.recorded_at)
        case _:
            return Millis(0)
