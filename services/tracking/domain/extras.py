"""What a partner adds to a link: sub1..sub10, source, ref_id, cost, creative, a deep link."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote_plus

from msgspec import Struct

from afflux.kernel.macros import SUBS

TEXT_LIMIT = 255
MAX_PAIRS = 60
_MAX_INT64 = 2**63 - 1
NO_SUBS: list[str] = []


class Extras(Struct, frozen=True, gc=False):
    """The parameters of a link, decoded; `to` alone is as it was sent, percent-encoded."""

    values: Mapping[str, str]
    sub: list[str]
    source: str | None
    ref_id: str | None
    to: str | None = None

    @property
    def creative_id(self) -> int | None:
        """The creative that was clicked, if it is a number."""
        text = self.values.get("creative")
        return None if text is None else read_id(text)


NO_EXTRAS = Extras({}, NO_SUBS, None, None)
_KNOWN = frozenset((*SUBS, "source", "ref_id", "cost", "cost_currency", "creative", "to"))
_CACHED = 64


def read_extras(query: str) -> Extras:
    """Return the partner's parameters; too long ones are cut, others ignored: a click is never
    refused for them. Of a repeated parameter the first one that is not empty counts, and only the
    first 60 parameters are looked at. Subs keep their place: sub2 without sub1 is the second."""
    values: dict[str, str] = {}
    pairs = query.split("&", MAX_PAIRS)
    if len(pairs) > MAX_PAIRS:
        pairs.pop()  # the rest, unread: a click must not cost more than a click
    for pair in pairs:
        name, _, value = pair.partition("=")
        if not value or name not in _KNOWN or name in values:
            continue
        if name != "to":
            if "%" in value or "+" in value:
                value = (_cached if len(value) <= _CACHED else _text)(value)
            value = value[:TEXT_LIMIT]
        if value:
            values[name] = value
    if not values:
        return NO_EXTRAS
    sub: list[str] = []
    for name in SUBS:
        if (text := values.get(name)) is None:
            break
        sub.append(text)
    if query.count("sub") > len(sub):
        sub = _with_gaps(sub, values)
    return Extras(values, sub, values.get("source"), values.get("ref_id"), values.get("to"))


def _with_gaps(sub: list[str], values: Mapping[str, str]) -> list[str]:
    """Return the subs up to the last that is there, the missing ones empty."""
    last = max((number for number, name in enumerate(SUBS, 1) if name in values), default=0)
    return sub if last == len(sub) else [values.get(name, "") for name in SUBS[:last]]


def _text(value: str) -> str:
    return unquote_plus(value).replace("\x00", "")[:TEXT_LIMIT]


_cached = lru_cache(maxsize=8_192)(_text)


def read_pair(query: str) -> tuple[int, int] | None:
    """Return the offer and the partner of `/click?offer=ID&partner=ID`, or None if one is missing
    or no id; of a repeated one the first counts."""
    found: dict[str, str] = {}
    for pair in query.split("&", MAX_PAIRS)[:MAX_PAIRS]:
        name, _, value = pair.partition("=")
        if name in ("offer", "partner"):
            found.setdefault(name, value)
    offer, partner = read_id(found.get("offer", "")), read_id(found.get("partner", ""))
    return None if offer is None or partner is None else (offer, partner)


def read_id(text: str) -> int | None:
    """Return a whole number from 1 that fits into 64 bits, or None."""
    if not (text.isascii() and text.isdigit()) or len(text) > 19:
        return None
    number = int(text)
    return number if 1 <= number <= _MAX_INT64 else None
