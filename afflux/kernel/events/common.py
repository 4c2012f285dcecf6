"""What all events share.

An event is a frozen struct that matches its Avro schema field by field and in order (a contract
test proves it). Instants are integer milliseconds UTC; ids are 16 bytes; money is minor units.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from afflux.kernel.types import Millis

Binary16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
LAST_INSTANT = 253_402_300_799_999
Instant = Annotated[Millis, Meta(ge=0, le=LAST_INSTANT)]
"""An instant of the years 1970 to 9999: anything else is damage, not a time."""
LAST_MINOR = 10**15
Minor = Annotated[int, Meta(ge=0, le=LAST_MINOR)]
"""An amount in minor units that can be summed without fear: far above what an edge accepts."""
Currency = Annotated[str, Meta(min_length=3, max_length=3)]


class Event(Struct, frozen=True, kw_only=True):
    """Common head: `event_id` is derived from what the event states, so a repeat is a no-op."""

    topic: ClassVar[str] = ""
    schema: ClassVar[str] = ""

    event_id: Binary16
    occurred_at: Instant
    recorded_at: Instant
    tenant_id: int = 0

    @property
    def key(self) -> bytes:
        """Kafka key: decides the partition."""
        raise NotImplementedError

    @property
    def partition(self) -> int | None:
        """Explicit partition, or None to derive it from the key."""
        return None


class Item(Struct, frozen=True, kw_only=True):
    """One line of an order; `value_minor` is the line's total in the order's currency."""

    sku: str
    category: str | None = None
    quantity: int = 1
    value_minor: Minor = 0


def int_key(value: int) -> bytes:
    """Return the Kafka key of an integer id: its decimal text."""
    return str(value).encode()
