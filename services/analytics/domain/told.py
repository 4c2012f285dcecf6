"""Small pieces that explanations are made of: parts of a whole, reasons, what changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from afflux.kernel.events import Decision, Share, Touch
from afflux.kernel.reasons import REASONS
from afflux.kernel.scalars import instant_text
from afflux.kernel.types import Millis


class Part(Struct, frozen=True):
    """A part of one conversion: exact, and in percent rounded to two decimals."""

    fraction: str
    percent: str


class Why(Struct, frozen=True):
    """A reason code with its sentence for people."""

    code: str
    en: str
    ru: str


class Change(Struct, frozen=True):
    """What a version of a decision says otherwise than the one before; None: it was not there."""

    what: str
    before: str | None
    after: str | None


def part(share: Fraction) -> Part:
    """Return a fraction as it is shown."""
    return Part(f"{share.numerator}/{share.denominator}", percent(share))


def percent(share: Fraction) -> str:
    """Return a fraction in percent, rounded half to even to two decimals."""
    return f"{Decimal(round(share * 10_000)) / 100:.2f}"


def why(code: str | None) -> Why | None:
    """Return a reason with its sentences; a code nobody knows any more stands for itself."""
    if code is None:
        return None
    known = REASONS.get(code)
    return Why(code, known.en, known.ru) if known else Why(code, code, code)


def instant(at: Millis | None) -> str | None:
    """Return an instant as ISO 8601 in UTC."""
    return None if at is None else instant_text(at)


def share_of(shares: Iterable[Share]) -> Fraction:
    """Return the sum of some shares of one conversion."""
    return sum((Fraction(one.numerator, one.denominator) for one in shares), Fraction(0))


def by_partner(shares: Iterable[Share]) -> dict[int, Fraction]:
    """Return each partner's part, in order of id."""
    found: dict[int, Fraction] = {}
    for one in shares:
        found[one.partner_id] = found.get(one.partner_id, Fraction(0)) + share_of([one])
    return dict(sorted(found.items()))


def changes(before: Decision, after: Decision) -> list[Change]:
    """Return what the later of two versions says otherwise: terms, shares, touches."""
    return [
        Change(what, old.get(what), new.get(what))
        for old, new in (
            (_plain(before), _plain(after)),
            (_shares(before.shares), _shares(after.shares)),
            (_touches(before.touches), _touches(after.touches)),
        )
        for what in {**old, **new}
        if old.get(what) != new.get(what)
    ]


def _plain(decision: Decision) -> dict[str, str]:
    facts: Mapping[str, object | None] = {
        "result": decision.result.value,
        "reason": decision.reason,
        "signal": decision.signal.value,
        "offer": decision.offer_id,
        "model": decision.model,
        "window_s": decision.window_s,
        "terms_version": decision.terms_version,
        "terms_known_at": instant(decision.terms_known_at),
        "bound_by": decision.bound_by and decision.bound_by.hex(),
        "screened": str(decision.screened).lower(),
    }
    return {name: str(value) for name, value in facts.items() if value is not None}


def _shares(shares: Iterable[Share]) -> dict[str, str]:
    found: dict[str, Fraction] = {}
    for one in shares:
        place = f"share of partner {one.partner_id}" + (
            f" by {one.click_id.hex()}" if one.click_id else ""
        )
        found[place] = found.get(place, Fraction(0)) + share_of([one])
    return {place: part(share).fraction for place, share in found.items()}


def _touches(touches: Iterable[Touch]) -> dict[str, str]:
    return {
        f"touch {touch.click_id.hex()} of partner {touch.partner_id}": " ".join(
            [touch.outcome.value, *([touch.reason] if touch.reason else []), *sorted(touch.flags)]
        )
        for touch in touches
    }
