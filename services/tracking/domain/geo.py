"""What a MaxMind-format database says of an address: country and network operator."""

from __future__ import annotations

from collections.abc import Callable

MAX_ASN = 2**32 - 1
Origin = tuple[str | None, int | None]
NOWHERE: Origin = (None, None)
Locate = Callable[[str], Origin]
"""Returns the country and the ASN of an address in text."""


def nowhere(_address: str) -> Origin:
    """Know nothing of any address."""
    return NOWHERE


def read_origin(record: object) -> Origin:
    """Return country and ASN of a record.

    Reads `country.iso_code` (or `registered_country`) and `autonomous_system_number` of GeoLite2
    and GeoIP2, `country_code` of ip-location-db. What is not there, or odd, is None.
    """
    if not isinstance(record, dict):
        return NOWHERE
    country = record.get("country_code")
    for name in ("country", "registered_country"):
        inner = record.get(name)
        if not country:
            country = inner.get("iso_code") if isinstance(inner, dict) else inner
    asn = record.get("autonomous_system_number")
    return _country(country), asn if isinstance(asn, int) and 0 < asn <= MAX_ASN else None


def _country(code: object) -> str | None:
    if not isinstance(code, str) or len(code) != 2 or not (code.isascii() and code.isalpha()):
        return None
    return code.upper()
