"""What a query may ask for: dimensions, and filters as a typed tree.

A filter holds values only; which SQL they meet is decided by the compiler, and values always travel
as parameters of the server (law K4).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct


class Refusal(ValueError):
    """A query that cannot be answered; the message says what was wrong and what is possible."""


class Dimension(StrEnum):
    """What results can be split and filtered by."""

    PARTNER = "partner"
    OFFER = "offer"
    ADVERTISER = "advertiser"
    GOAL = "goal"
    LINK = "link"
    COUNTRY = "country"
    DEVICE = "device"
    OS = "os"
    BROWSER = "browser"
    SOURCE = "source"
    SUB1 = "sub1"
    SUB2 = "sub2"
    SUB3 = "sub3"
    SUB4 = "sub4"
    SUB5 = "sub5"
    SUB6 = "sub6"
    SUB7 = "sub7"
    SUB8 = "sub8"
    SUB9 = "sub9"
    SUB10 = "sub10"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    CURRENCY = "currency"


IDS = frozenset({Dimension.PARTNER, Dimension.OFFER, Dimension.ADVERTISER, Dimension.LINK})
SUBS = tuple(Dimension(f"sub{number}") for number in range(1, 11))
TIMES = frozenset({Dimension.HOUR, Dimension.DAY, Dimension.WEEK, Dimension.MONTH})
Value = int | str


class Is(Struct, frozen=True, tag=True):
    """The dimension has one of these values."""

    dimension: Dimension
    values: tuple[Value, ...]


class Not(Struct, frozen=True, tag=True):
    """The part does not hold."""

    part: Filter


class Every(Struct, frozen=True, tag=True):
    """All parts hold; no part: everything does."""

    parts: tuple[Filter, ...]


class Some(Struct, frozen=True, tag=True):
    """At least one part holds; no part: nothing does."""

    parts: tuple[Filter, ...]


Filter = Is | Not | Every | Some
ANYTHING = Every(())


class Scope(Struct, frozen=True):
    """Whose rows may be seen: these partners' and no other's. No scope is an operator's view."""

    partner_ids: tuple[int, ...]


def dimensions_of(part: Filter) -> frozenset[Dimension]:
    """Return the dimensions a filter names."""
    match part:
        case Is(dimension=dimension):
            return frozenset({dimension})
        case Not(part=inner):
            return dimensions_of(inner)
        case Every(parts=parts) | Some(parts=parts):
            return frozenset().union(*map(dimensions_of, parts))


def restricted(part: Filter, known: frozenset[Dimension]) -> Filter:
    """Return the filter for facts that have only the `known` dimensions.

    A condition on another dimension is left out where it stands in the outermost conjunction: the
    clicks of a partner are the same whatever goal is asked for. Deeper in the tree that would have
    no clear meaning: raises Refusal.
    """
    parts = part.parts if isinstance(part, Every) else (part,)
    kept = []
    for inner in parts:
        foreign = dimensions_of(inner) - known
        if not foreign:
            kept.append(inner)
        elif dimensions_of(inner) & known:
            named = ", ".join(sorted(foreign))
            raise Refusal(f"{named} cannot stand in one alternative with other dimensions")
    return Every(tuple(kept))


def parse_dimension(text: str) -> Dimension:
    """Return a dimension by name; raises Refusal."""
    try:
        return Dimension(text.strip())
    except ValueError:
        raise Refusal(f"{text!r} is no dimension; there are {', '.join(Dimension)}") from None


def parse_condition(text: str) -> Filter:
    """Return the filter of `name=value`, `name=a,b` or `name!=value`; raises Refusal."""
    name, equals, values = text.partition("=")
    if not equals:
        raise Refusal(f"{text!r} is no condition: write name=value, name=a,b or name!=value")
    dimension = parse_dimension(name.removesuffix("!"))
    wanted = Is(dimension, tuple(_value(dimension, value) for value in values.split(",")))
    return Not(wanted) if name.endswith("!") else wanted


def parse_where(conditions: Sequence[str]) -> Filter:
    """Return the filter under which all conditions hold; raises Refusal."""
    return Every(tuple(map(parse_condition, conditions)))


def _value(dimension: Dimension, text: str) -> Value:
    if dimension not in IDS:
        return text.strip()
    try:
        number = int(text)
    except ValueError:
        raise Refusal(f"{dimension}={text!r}: the id is a whole number") from None
    if not -(2**63) <= number < 2**63:
        raise Refusal(f"{dimension}={text!r}: the id has at most 64 bits")
    return number
