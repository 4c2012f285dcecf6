"""What a model is given, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Protocol

from msgspec import Struct

from afflux.kernel.catalog import AttributionWeights, ModelTerms
from afflux.kernel.types import Millis


class Eligible(Protocol):
    """What a model sees of a touch that may be credited."""

    @property
    def partner_id(self) -> int:
        """Whose touch it is."""

    @property
    def occurred_at(self) -> Millis:
        """When it was clicked, or seen."""


class Known(Protocol):
    """What a model may ask the catalogue, as it was when the conversion happened."""

    def weights(self, weights_id: str) -> tuple[AttributionWeights, int] | None:
        """Return frozen weights and their version, or None if there are none of that id."""

    def has_coupon(self, partner_id: int) -> bool:
        """Return whether a coupon of the conversion's advertiser leads to the partner."""


class Case(Struct, frozen=True):
    """One conversion: its eligible touches in order of time, never none; ties by touch id."""

    touches: Sequence[Eligible]
    terms: ModelTerms
    occurred_at: Millis
    known: Known


class Given(Struct, frozen=True):
    """A share for each touch, in their order; they sum to 1. `name`: what decided, as the decision
    says it: with the version of frozen weights, or the model that stood in."""

    shares: Sequence[Fraction]
    name: str


Model = Callable[[Case], Given]
"""Pure: the same case gives the same shares, on every machine."""
