"""Names for the plain values that cross module borders."""

from __future__ import annotations

from typing import NewType

Millis = NewType("Millis", int)
"""An instant: milliseconds since 1970-01-01T00:00:00Z. The variable's name says which instant."""

Id16 = NewType("Id16", bytes)
"""A 16-byte identifier: a ULID or a BLAKE2b-128 digest."""

AdvertiserId = NewType("AdvertiserId", int)
OfferId = NewType("OfferId", int)
PartnerId = NewType("PartnerId", int)
LinkId = NewType("LinkId", int)
