"""Personal data is minimal (law T5): addresses are cut and hashed, customer ids hashed."""

from __future__ import annotations

from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address, ip_address

from afflux.kernel.keys import derive_key
from afflux.kernel.types import Id16, Millis

DAY_MS = 86_400_000
UNKNOWN_PREFIX = "0.0.0.0/24"


def ip_day_key(secret: bytes, at: Millis) -> bytes:
    """Return the key of address hashes on the day of `at`; tomorrow's hashes cannot be joined."""
    return derive_key(secret, "ip", at // DAY_MS)


def ip_parts(address: str, day_key: bytes) -> tuple[str, bytes]:
    """Return the network (/24 or /48) and the keyed 16-byte hash of an address."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address.strip("[]"))
    except ValueError:
        return UNKNOWN_PREFIX, b""
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    kept = 24 if isinstance(parsed, IPv4Address) else 48
    drop = parsed.max_prefixlen - kept
    network = type(parsed)(int(parsed) >> drop << drop)
    return f"{network}/{kept}", blake2b(parsed.packed, digest_size=16, key=day_key).digest()


def customer_secret(secret: bytes) -> bytes:
    """Return the key of customer hashes."""
    return derive_key(secret, "customer")


def customer_key(key: bytes, advertiser_id: int, customer_id: str) -> Id16:
    """Return the hash that stands for an advertiser's customer."""
    text = f"{advertiser_id}\x00{customer_id}".encode("utf-8", "replace")
    return Id16(blake2b(text, digest_size=16, key=key).digest())


def split_referrer(referrer: str) -> tuple[str | None, str | None]:
    """Return host and path of a referrer; its query and fragment are not kept."""
    scheme, separator, rest = referrer.partition("://")
    if not separator or scheme.lower() not in ("http", "https", "android-app"):
        return None, None
    rest = rest.partition("#")[0].partition("?")[0]
    host, slash, path = rest.partition("/")
    return host.rpartition("@")[2].lower()[:255] or None, (slash + path)[:255] or None
