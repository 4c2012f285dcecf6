"""Exchange rates from the catalogue: named, versioned, never guessed (law L9).

The pair itself is looked up first, then its inverse: 1/rate is exact as a fraction and the entry
says so (`1/1.0850`). Rates are never chained through a third currency.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from afflux.kernel.catalog import Catalog, FxRate
from afflux.kernel.types import Millis
from services.payouts.domain.facts import Rate


def find_rate(
    catalog: Catalog, base: str, quote: str, valid_at: Millis, known_at: Millis
) -> Rate | None:
    """Return the rate of the order's time as known at `known_at`, or None."""
    direct = catalog.find_version(FxRate, f"{base}/{quote}", valid_at, known_at)
    if direct is not None:
        return Rate(base, quote, direct[0].rate, direct[1])
    inverse = catalog.find_version(FxRate, f"{quote}/{base}", valid_at, known_at)
    if inverse is not None and inverse[0].value:
        return Rate(base, quote, f"1/{inverse[0].rate}", inverse[1])
    return None


@lru_cache(maxsize=4096)
def rate_value(text: str) -> Fraction:
    """Return the exact value of a rate's text, `1.0850` or `1/1.0850`."""
    if text.startswith("1/"):
        return 1 / Fraction(text[2:])
    return Fraction(text)
