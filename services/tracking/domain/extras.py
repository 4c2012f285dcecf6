"""What a partner adds to a link: sub1..sub10, source, ref_id, cost, creative, a deep link."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote_plus

from msgspec import Struct

from afflux.kernel.macros import SUBS

TEXT_LIMIT = 255
MAX_PAIRS = 60
_MAX_INT64 = 2**63 - 1
NO_SUBS: list[str] = []


class Extras(Struct, frozen=True):
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
_RAW = -1
_SLOTS = {name: number for number, name in enumerate(SUBS, 1)}
_OTHERS = ("source", "ref_id", "cost", "cost_currency", "creative")
_KNOWN = {**_SLOTS, **dict.fromkeys(_OTHERS, 0), "to": _RAW}


def read_extras(query: str) -> Extras:
    """Return the partner's parameters; too long ones are cut, others ignored: a click is never
    refused for them. Of a repeated parameter the first one that is not empty counts, and only the
    first 60 parameters are looked at. Subs keep their place: sub2 without sub1 is the second."""
    values: dict[str, str] = {}
    used = 0
    for pair in query.split("&", MAX_PAIRS)[:MAX_PAIRS]:
        name, _, value = pair.partition("=")
        slot = _KNOWN.get(name)
        if slot is None or not value or name in values:
            continue
        if slot != _RAW and not value.isalnum():
            value = unquote_plus(value).replace("\x00", "")
        if value:
            values[name] = value if slot == _RAW else value[:TEXT_LIMIT]
            used = max(used, slot)
    if not values:
        return NO_EXTRAS
    sub = [values.get(name, "") for name in SUBS[:used]] if used else NO_SUBS
    return Extras(values, sub, values.get("source"), values.get("ref_id"), values.get("to"))


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
