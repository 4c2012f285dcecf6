"""What a partner paid for a click, as it says itself."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from afflux.kernel.money import MAX_MINOR, digits

_MAX_TEXT = 20
_SPREAD = 10**9
Cost = tuple[int | None, str | None]
NO_COST: Cost = (None, None)


def read_cost(text: str, currency: str | None, default: str, dice: bytes) -> Cost:
    """Return the minor units and the currency of `cost=0.0125`; (None, None) for what is no cost.

    Prices of clicks have more decimals than currencies. The rest below a minor unit is rounded up
    with a probability of its size, by the click's own random bytes (`dice`, at least 8): sums over
    many clicks come out right, and the same click always gives the same cost.
    """
    name = (currency or default).upper()
    if not text or len(text) > _MAX_TEXT or any(char not in "0123456789." for char in text):
        return NO_COST
    try:
        minor = Decimal(text).scaleb(digits(name))
    except (InvalidOperation, ValueError):
        return NO_COST
    if minor > MAX_MINOR:
        return NO_COST
    whole = int(minor)
    part = int((minor - whole) * _SPREAD)
    return whole + (int.from_bytes(dice[-8:], "big") % _SPREAD < part), name
