"""Exact shares that fit the records: numerator and denominator are signed 64-bit numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

ZERO, ONE = Fraction(0), Fraction(1)
LARGEST = 2**63 - 1
UNIT = 10**18
"""What a share is rounded to where the exact one does not fit."""

Weights = Sequence[int] | Sequence[Fraction]


def in_proportion(weights: Weights) -> list[Fraction]:
    """Return shares in proportion to weights of 0 or more, of which one at least is above 0."""
    total = sum(weights)
    return [Fraction(weight) / total if weight else ZERO for weight in weights]


def fitted(shares: Sequence[Fraction]) -> Sequence[Fraction]:
    """Return the shares themselves if all fit, else all of them in parts of 10^18.

    By largest remainder: each is cut down to whole parts, and the parts left over go one each to
    those that lost most, the earlier touch first where two lost the same. They still sum to 1, and
    none is further than 10^-18 from the exact one.
    """
    if all(share is ZERO or share.denominator <= LARGEST for share in shares):
        return shares
    cut = [divmod(share.numerator * UNIT, share.denominator) for share in shares]
    left = UNIT - sum(parts for parts, _ in cut)
    lost = [Fraction(rest, share.denominator) for (_, rest), share in zip(cut, shares, strict=True)]
    lucky = set(sorted(range(len(shares)), key=lambda at: (-lost[at], at))[:left])
    return [Fraction(parts + (at in lucky), UNIT) for at, (parts, _) in enumerate(cut)]
