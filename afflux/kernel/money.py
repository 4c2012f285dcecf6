"""Money: integer minor units of an ISO 4217 currency, never a float."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from msgspec import Struct

# ISO 4217 currencies whose minor unit is not 1/100 (SIX list one, 2026); all others have 2 digits.
_DIGITS = {
    **dict.fromkeys(
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0
    ),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
_TWO_DIGITS = frozenset(
    """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
    CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
    GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL
    MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK
    PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS
    TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG""".split()
)
MAX_MINOR = 10**12
"""The largest amount accepted from outside: above it is an error of units, not an order."""


def digits(currency: str) -> int:
    """Return the decimal digits of the minor unit; raises ValueError for no ISO 4217 code."""
    if currency in _TWO_DIGITS:
        return 2
    try:
        return _DIGITS[currency]
    except KeyError:
        raise ValueError(f"{currency!r} is not an ISO 4217 currency code") from None


class Money(Struct, frozen=True, order=False):
    """An amount in minor units (cents for EUR, yen for JPY) of one currency."""

    minor: int
    currency: str

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise ValueError(f"cannot mix {self.currency} with {other.currency}")
        return other.minor

    def times(self, factor: Fraction) -> Money:
        """Return the product, rounded half to even to the minor unit."""
        return Money(round(self.minor * factor), self.currency)

    def allocate(self, shares: Sequence[Fraction]) -> list[Money]:
        """Divide by `shares`, which sum to 1, so that the parts sum to the whole (law A1).

        Largest remainder; equal remainders are served in the order of `shares`.
        """
        return [Money(part, self.currency) for part in allocate(self.minor, shares)]

    def convert(self, rate: Fraction, currency: str) -> Money:
        """Return the amount in `currency`, `rate` major units of it for one of ours.

        Rounded half to even to the minor unit of the target.
        """
        scale = Fraction(10) ** (digits(currency) - digits(self.currency))
        return Money(round(self.minor * rate * scale), currency)

    def text(self) -> str:
        """Return the amount for people and exports: `12.34 EUR`."""
        return f"{major(self.minor, self.currency)} {self.currency}"


def allocate(total: int, shares: Sequence[Fraction]) -> list[int]:
    """Divide `total` minor units by `shares` with the method of the largest remainder.

    Raises ValueError unless the shares are non-negative and sum to exactly 1.
    """
    if any(share < 0 for share in shares) or sum(shares, Fraction(0)) != 1:
        raise ValueError(f"shares must be non-negative and sum to 1, got {list(map(str, shares))}")
    sign, size = (-1, -total) if total < 0 else (1, total)
    exact = [size * share for share in shares]
    parts = [int(value) for value in exact]
    missing = size - sum(parts)
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for index in by_remainder[:missing]:
        parts[index] += 1
    return [sign * part for part in parts]


def major(minor: int, currency: str) -> str:
    """Return minor units as a decimal text with the currency's digits."""
    places = digits(currency)
    return f"{Decimal(minor).scaleb(-places):.{places}f}"


def parse_amount(text: str, currency: str) -> Money:
    """Return the money in a decimal text such as `12.34`.

    Raises ValueError with a sentence for: no plain decimal number, more decimals than the currency
    has, a negative amount, one above `MAX_MINOR`, an unknown currency.
    """
    places = digits(currency)
    try:
        if not text or len(text) > 30 or any(char not in "0123456789.-" for char in text):
            raise InvalidOperation
        value = Decimal(text).scaleb(places)
    except InvalidOperation:
        raise ValueError(f"{text[:40]!r} is not a decimal amount like 12.34") from None
    if value != value.to_integral_value():
        raise ValueError(f"{text} has more decimals than {currency} allows ({places})")
    if value < 0:
        raise ValueError(f"{text} is negative")
    if value > MAX_MINOR:
        raise ValueError(f"{text} {currency} is above the largest amount accepted")
    return Money(int(value), currency)
