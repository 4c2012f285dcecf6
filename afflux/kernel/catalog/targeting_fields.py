"""How a catalogue file spells targeting: `countries: [DE, AT]`, `from: "09:00"`, `per: day`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from afflux.kernel import scalars
from afflux.kernel.catalog.targeting import (
    DAY_MINUTES,
    CapPeriod,
    CapScope,
    ClickCap,
    Day,
    Device,
    Hours,
    System,
    Targeting,
)
from afflux.kernel.countries import COUNTRIES, MEANT
from afflux.kernel.document import Field, listing, record, scalar

if TYPE_CHECKING:
    from afflux.kernel.catalog.entities import Offer

Show = Callable[[Struct, Mapping[str, Field]], object]
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
MAX_CAP = 10**12
_PAIRS = ("countries", "devices", "systems", "languages", "partners")


def country(text: str) -> str:
    """Read a country code of ISO 3166-1: two capital letters."""
    if text not in COUNTRIES:
        meant = MEANT.get(text.upper(), text.upper())
        hint = f"; did you mean {meant!r}?" if meant in COUNTRIES else ""
        raise ValueError(f"{text[:40]!r} is no country code of ISO 3166-1, such as DE{hint}")
    return text


def language(text: str) -> str:
    """Read a language tag such as `de` or `pt-br`."""
    if _LANGUAGE.fullmatch(text.lower()) is None:
        raise ValueError(f"{text[:40]!r} is not a language tag such as de or pt-br")
    return text.lower()


def clock(text: str) -> int:
    """Read a time of day, `09:00` to `24:00`; returns minutes after midnight."""
    if _CLOCK.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is not a time such as 09:00")
    return int(text[:2]) * 60 + int(text[3:])


def clock_text(minutes: object) -> str:
    """Return minutes after midnight as a time of day."""
    assert isinstance(minutes, int)
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _values(name: str, read: Callable[[str], object]) -> Field:
    return Field(name, listing(scalar(read)))


_HOURS = {
    "days": _values("days", scalars.choice(Day)),
    "from": Field("start", scalar(clock), clock_text),
    "to": Field("end", scalar(clock), clock_text),
}
_CAP = {
    "clicks": Field("clicks", scalar(scalars.whole(1, MAX_CAP)), required=True),
    "per": Field("per", scalar(scalars.choice(CapPeriod))),
    "each": Field("each", scalar(scalars.choice(CapScope))),
}


def targeting_fields(show: Show) -> dict[str, Field]:
    """Return the fields of an offer that target; `show` writes a struct as a file would."""

    def shown(fields: Mapping[str, Field]) -> Callable[[object], object]:
        return lambda values: (
            [show(value, fields) for value in values] if isinstance(values, list) else values
        )

    rules = {
        "countries": _values("countries", country),
        "not_countries": _values("not_countries", country),
        "devices": _values("devices", scalars.choice(Device)),
        "not_devices": _values("not_devices", scalars.choice(Device)),
        "systems": _values("systems", scalars.choice(System)),
        "not_systems": _values("not_systems", scalars.choice(System)),
        "languages": _values("languages", language),
        "not_languages": _values("not_languages", language),
        "partners": _values("partners", scalars.number_id),
        "not_partners": _values("not_partners", scalars.number_id),
        "schedule": Field("schedule", listing(record(Hours, _HOURS)), shown(_HOURS)),
    }
    return {
        "targeting": Field(
            "targeting",
            record(Targeting, rules),
            lambda value: show(value, rules) if isinstance(value, Targeting) else value,
        ),
        "click_caps": Field("click_caps", listing(record(ClickCap, _CAP)), shown(_CAP)),
    }


def targeting_problems(offer: Offer) -> Iterator[str]:
    """Yield what is wrong with an offer's targeting and fallbacks."""
    for name in _PAIRS:
        both = set(getattr(offer.targeting, name)) & set(getattr(offer.targeting, f"not_{name}"))
        for value in sorted(map(str, both)):
            yield f"{value} stands in {name} and in not_{name}"
    for hours in offer.targeting.schedule:
        if hours.start in (hours.end, DAY_MINUTES) or not hours.days:
            yield f"the hours from {clock_text(hours.start)} to {clock_text(hours.end)} are empty"
    kinds = [(cap.per, cap.each) for cap in offer.click_caps]
    for per, each in sorted({kind for kind in kinds if kinds.count(kind) > 1}):
        yield f"two click caps per {per} for each {each}"
    if offer.fallback_offer_id == offer.id:
        yield "an offer cannot be its own fallback"
