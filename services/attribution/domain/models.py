"""Models: how eligible touches share one conversion. Shares are exact and sum to 1 (law A1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from services.attribution.domain.journey import Step

Model = Callable[[Sequence[Step]], Sequence[Fraction]]
DEFAULT_MODEL = "last"


def last(steps: Sequence[Step]) -> Sequence[Fraction]:
    """Give all to the last touch; `steps` are in order of time and not empty."""
    return [*[Fraction(0)] * (len(steps) - 1), Fraction(1)]


MODELS: Mapping[str, Model] = {"last": last}


def choose(name: str) -> tuple[str, Model]:
    """Return the model of that name; an unknown one falls back to the last touch, and is so named.

    The catalogue refuses unknown models; if one slips through, a conversion must not stop a stream.
    """
    known = name if name in MODELS else DEFAULT_MODEL
    return known, MODELS[known]
