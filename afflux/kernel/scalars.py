"""Single values of declared files: text in, value out, ValueError with a sentence otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from ipaddress import ip_network

from afflux.kernel.macros import MacroError, compile_params, compile_template
from afflux.kernel.money import digits
from afflux.kernel.types import Millis

MAX_ID = 2**63 - 1
_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:\d+[wdhms])+")
_MAX_DURATION_S = 100 * 366 * 86_400
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*")
_CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


def number_id(text: str) -> int:
    """Read an id: a whole number from 1."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_ID:
        raise ValueError(f"{text[:40]!r} is not an id: a whole number from 1 is wanted")
    return int(text)


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers between two bounds."""

    def read(text: str) -> int:
        sign = text.removeprefix("-")
        if not sign.isascii() or not sign.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"{text[:40]!r} is not a whole number from {least} to {most}")
        return int(text)

    return read


def flag(text: str) -> bool:
    """Read true or false."""
    if text.lower() not in {"true", "false"}:
        raise ValueError(f"{text[:40]!r} is neither true nor false")
    return text.lower() == "true"


def label(text: str) -> str:
    """Read a name for people: 1 to 200 characters, no control characters."""
    if not 1 <= len(text.strip()) <= 200 or not text.isprintable():
        raise ValueError("a name has 1 to 200 printable characters")
    return text.strip()


def name(text: str) -> str:
    """Read a name for machines: a goal, a group, a rule."""
    if _NAME.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is not a name of a-z, 0-9, '_', '-', '.' (at most 64)")
    return text


def code(text: str) -> str:
    """Read a link's code, which stands in `/c/CODE`."""
    if _CODE.fullmatch(text) is None:
        raise ValueError(f"{text[:70]!r} is not a code of A-Z, a-z, 0-9, '_', '-' (at most 64)")
    return text


def key_id(text: str) -> str:
    """Read the name of a key."""
    if _KEY_ID.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is not a key id of letters, digits, '.', '_', '-'")
    return text


def host(text: str) -> str:
    """Read a host name without scheme, port or path."""
    if _HOST.fullmatch(text) is None:
        raise ValueError(f"{text[:60]!r} is not a host name such as shop.example")
    return text.lower()


def host_pattern(text: str) -> str:
    """Read a host name, or `*.shop.example` for all hosts below one."""
    wild = text.startswith("*.")
    if wild and "." not in text[2:]:
        raise ValueError(f"{text[:60]!r} stands for too many hosts; name at least two labels")
    return ("*." if wild else "") + host(text[2:] if wild else text)


def url_params(text: str) -> str:
    """Read query parameters with macros, such as `cid={click_id}&p={partner_id}`."""
    try:
        return compile_params(text).url
    except MacroError as error:
        raise ValueError(f"{error} (in {text[:120]!r})") from error


def network(text: str) -> str:
    """Read an address or a network of addresses in CIDR notation, IPv4 or IPv6."""
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError(
            f"{error}: give a network such as 192.0.2.0/24, 2001:db8::/32 or one address"
        ) from None


def url(text: str) -> str:
    """Read a landing URL with macros (law T4)."""
    try:
        return compile_template(text).url
    except MacroError as error:
        raise ValueError(f"{error} (in {text[:120]!r})") from error


def currency(text: str) -> str:
    """Read an ISO 4217 code."""
    digits(text)
    return text


def percent(text: str) -> str:
    """Read a percentage from 0 to 100 with at most 6 decimals; returns its shortest text."""
    value = _decimal(text.removesuffix("%").strip(), "percentage")
    if not 0 <= value <= 100:
        raise ValueError(f"{text} is not between 0 and 100 percent")
    return _shortest(value, text, 6)


def rate(text: str) -> str:
    """Read an exchange rate above 0 with at most 12 decimals; returns its shortest decimal text."""
    value = _decimal(text, "rate")
    if not 0 < value < 10**12:
        raise ValueError(f"{text} is not a rate above 0")
    return _shortest(value, text, 12)


def choice(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    """Return a reader of one of an enum's values."""

    def read(text: str) -> StrEnum:
        try:
            return kind(text)
        except ValueError:
            wanted = ", ".join(member.value for member in kind)
            raise ValueError(f"{text[:40]!r} is none of {wanted}") from None

    return read


def one_of(*allowed: str) -> Callable[[str], str]:
    """Return a reader of one of some words."""

    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"{text[:40]!r} is none of {', '.join(allowed)}")
        return text

    return read


def duration(text: str) -> int:
    """Read a duration such as `30d`, `12h`, `1d12h`, `10s` or `0`; returns seconds."""
    if text == "0":
        return 0
    if not text.isascii() or _DURATION.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is not a duration such as 30d, 12h, 15m or 10s")
    total = sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"(\d+)([wdhms])", text))
    if total > _MAX_DURATION_S:
        raise ValueError(f"{text[:40]!r} is more than 100 years")
    return total


def duration_text(seconds: object) -> str:
    """Return seconds as the shortest duration text."""
    assert isinstance(seconds, int)
    parts = []
    for unit in "dhms":
        count, seconds = divmod(seconds, _UNITS[unit])
        parts.append(f"{count}{unit}" if count else "")
    return "".join(parts) or "0s"


def instant(text: str) -> Millis:
    """Read `2026-01-31`, `2026-01-31T12:00:00Z` (UTC unless it names an offset) or `ever`."""
    if text == "ever":
        return Millis(0)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text[:40]!r} is not a time such as 2026-01-31 or 2026-01-31T12:00:00Z"
        ) from None
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    if aware.year < 1970:
        raise ValueError(f"{text} is before 1970")
    return Millis(round(aware.timestamp() * 1000))


def instant_text(at: Millis) -> str:
    """Return an instant as ISO 8601 in UTC, or `ever` for the beginning of time."""
    if at == 0:
        return "ever"
    seconds, millis = divmod(at, 1000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=millis * 1000)
    return moment.isoformat(timespec="milliseconds" if millis else "seconds").replace("+00:00", "Z")


def _decimal(text: str, what: str) -> Decimal:
    try:
        if not text or len(text) > 30 or any(char not in "0123456789.-" for char in text):
            raise InvalidOperation
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text[:40]!r} is not a decimal {what}") from None


def _shortest(value: Decimal, text: str, places: int) -> str:
    if value != round(value, places):
        raise ValueError(f"{text} has more than {places} decimals")
    return f"{value.normalize():f}"
