"""Time decay: a touch one half-life older has half the weight, continuously.

weight = 2^(-dt / half_life), dt from the touch to the conversion. Only proportions matter, so
weights are taken relative to the newest touch's: integers in units of 2^-54 of it, rounded to the
nearest. No floating point: every machine computes the same shares. A touch 55 half-lives older
than the newest one rounds to nothing.
"""

from __future__ import annotations

from math import isqrt

from services.attribution.domain.models.case import Case, Given
from services.attribution.domain.models.exact import in_proportion

BITS = 54
"""A weight is at most 2^54, so that 200 of them sum to less than 2^62."""
_WORK = 128
_ONE = 1 << _WORK
_DIGITS = 8
"""The fraction of a half-life is cut into 8 digits of 8 bits."""


def _digit_powers() -> list[list[int]]:
    """Return 2^(-d / 256^(k+1)) for each digit d at place k, in units of 2^-128.

    From 1/2 by repeated integer square roots, each cut off below the last bit.
    """
    roots, root = [], _ONE >> 1
    for _ in range(8 * _DIGITS):
        root = isqrt(root << _WORK)
        roots.append(root)
    tables = []
    for place in range(_DIGITS):
        table = [_ONE]
        for digit in range(1, 256):
            low = digit & -digit
            bit = roots[8 * place + 8 - low.bit_length()]
            table.append(table[digit - low] * bit >> _WORK)
        tables.append(table)
    return tables


_POWERS = _digit_powers()


def weight(elapsed: int, half_life: int) -> int:
    """Return 2^(-elapsed / half_life) in units of 2^-54, both in the same unit of time.

    Off by half a unit from rounding; what is cut off on the way is below 2^-63 of the weight.
    """
    whole, rest = divmod(elapsed, half_life)
    if whole > BITS:
        return 0
    fraction = (rest << 8 * _DIGITS) // half_life
    product = _ONE
    for place, digit in enumerate(fraction.to_bytes(_DIGITS, "big")):
        if digit:
            product = product * _POWERS[place][digit] >> _WORK
    shift = _WORK - BITS + whole
    return (product + (1 << shift - 1)) >> shift


def share(case: Case) -> Given:
    """Share in proportion to the weights."""
    half_life = 1_000 * case.terms.half_life_s
    newest = case.touches[-1].occurred_at
    weights = [weight(newest - touch.occurred_at, half_life) for touch in case.touches]
    return Given(in_proportion(weights), "time_decay")
