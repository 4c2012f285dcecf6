"""How an offer's conversions are attributed: models, windows of partners, lifetime, signals."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction

from msgspec import Struct

HALF_LIFE_S = 7 * 86_400
MODEL_NAMES = (
    "last",
    "first",
    "linear",
    "time_decay",
    "position",
    "last_non_coupon",
    "markov",
    "shapley",
)
"""What offers may name. Each has its file: see docs/attribution.md, A new model."""
WEIGHTED_MODELS = ("markov", "shapley")
"""Models whose channel weights are computed from history, then frozen (AttributionWeights)."""


class ModelTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model by name, with its parameters.

    `half_life_s` is time decay's; `first` and `last` are the parts (decimal text) of the first and
    the last touch by position, the others share the rest; `weights` names the AttributionWeights
    of a model that is computed from history.
    """

    name: str = "last"
    half_life_s: int = HALF_LIFE_S
    first: str = "0.4"
    last: str = "0.4"
    weights: str | None = None

    @property
    def first_part(self) -> Fraction:
        """The part of the first touch."""
        return Fraction(self.first)

    @property
    def last_part(self) -> Fraction:
        """The part of the last touch."""
        return Fraction(self.last)


class PartnerWindow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Windows, in seconds, of one partner's touches; None leaves the goal's or the offer's."""

    partner_id: int
    click_window_s: int | None = None
    view_window_s: int | None = None


class Lifetime(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a customer stays bound to whom its first conversion was credited to: calendar
    `months` from that conversion, a number of `payments`, whichever ends first, or, with neither,
    for ever."""

    months: int | None = None
    payments: int | None = None


class SignalOrder(StrEnum):
    """Which signal of a report wins: click id or coupon."""

    CLICK_FIRST = "click_first"
    COUPON_FIRST = "coupon_first"


def normal_code(code: str) -> str:
    """Return a coupon's code as it is compared: trimmed, upper case."""
    return code.strip().upper()
