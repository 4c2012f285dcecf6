"""Signals: what leads from a conversion to who is credited, asked one after the other.

Click id, then coupon, then the visitor's journey; or the coupon first, as the advertiser has it.
The first signal that leads to somebody decides. If none does, the reason is that of the first one
that the report carried. A report that names a click is not asked for its journey: it has said which
touch led here. The customer comes before the journey, but only its own partition knows it: what it
makes of the decision is said by `domain/bound.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from afflux.kernel.catalog import Coupon, SignalOrder
from afflux.kernel.events import Conversion, CreditSignal, Share
from services.attribution.domain.journey import Step
from services.attribution.domain.judging import Judged
from services.attribution.domain.lookup import Lookup
from services.attribution.domain.models import DEFAULT_MODEL, Case, apply
from services.attribution.domain.models.exact import ZERO
from services.attribution.domain.parking import visitor_of
from services.attribution.domain.telling import share_of
from services.attribution.domain.window import CLICK, OfferTerms


class Asked(Struct, frozen=True):
    """One conversion with all that its signals may look at."""

    conversion: Conversion
    judged: Judged
    lookup: Lookup


class Verdict(Struct, frozen=True):
    """Who is credited, or the reason why nobody is.

    `credited` are the touches that have the shares, none where a coupon decided.
    `window_s` is that of the last credited touch, or of the named click.
    """

    signal: CreditSignal
    reason: str | None = None
    terms: OfferTerms | None = None
    shares: Sequence[Share] = ()
    credited: Sequence[Step] = ()
    model: str = DEFAULT_MODEL
    window_s: int = 0


def find(asked: Asked) -> Verdict:
    """Return what the first signal that leads to somebody says."""
    first: Verdict | None = None
    for ask in _order(asked):
        verdict = ask(asked)
        if verdict is None:
            continue
        if verdict.shares:
            return verdict
        first = first or verdict
    return first or Verdict(CreditSignal.NONE, "no_touch")


def _by_click(asked: Asked) -> Verdict | None:
    """Credit the path that ends with the named click."""
    if asked.conversion.click_id is None:
        return None
    named = asked.judged.named
    if named is None:
        return Verdict(CreditSignal.CLICK_ID, "no_touch")
    reason = asked.judged.void
    if reason is None:
        return _by_path(asked, CreditSignal.CLICK_ID, asked.judged.path)
    found = asked.lookup.terms(named.seen.offer_id)
    if isinstance(found, str):
        return Verdict(CreditSignal.CLICK_ID, reason)
    window_s = found.window_s(named.seen.partner_id, CLICK)
    return Verdict(CreditSignal.CLICK_ID, reason, found, window_s=window_s)


def _by_coupon(asked: Asked) -> Verdict | None:
    """Credit the coupon's partner with the whole."""
    code = asked.conversion.coupon
    if code is None or not code.strip():
        return None
    coupon = asked.lookup.coupon(code)
    found = coupon if isinstance(coupon, str) else _coupon_terms(asked, coupon)
    if isinstance(coupon, str) or isinstance(found, str):
        return Verdict(CreditSignal.COUPON, found if isinstance(found, str) else None)
    share = Share(
        partner_id=coupon.partner_id,
        offer_id=found.offer_id,
        link_id=0,
        numerator=1,
        denominator=1,
    )
    return Verdict(CreditSignal.COUPON, None, found, [share], model="coupon")


def _coupon_terms(asked: Asked, coupon: Coupon) -> OfferTerms | str:
    """Return the terms of the coupon's offer; else of the one the report names, of the newest
    touch that may be credited, or of the only offer with this goal: in this order."""
    named, wanted = asked.conversion.offer_id, coupon.offer_id
    if named is not None and wanted is not None and named != wanted:
        return "coupon_other_offer"
    offer_id = wanted or named
    if offer_id is None:
        path = asked.judged.path
        offer_id = path[-1].seen.offer_id if path else asked.lookup.only_offer()
    if offer_id is None:
        return "coupon_other_offer"
    found = asked.lookup.terms(offer_id)
    if isinstance(found, OfferTerms) and found.advertiser_id != asked.conversion.advertiser_id:
        return "other_advertiser"
    return found


def _by_journey(asked: Asked) -> Verdict | None:
    """Credit the visitor's path. Without one the newest click's reason counts, then a view's; what
    the visitor did at other advertisers says nothing here."""
    if asked.conversion.click_id is not None or visitor_of(asked.conversion) is None:
        return None
    path = asked.judged.path
    if path:
        return _by_path(asked, CreditSignal.JOURNEY, path)
    reason = "no_touch"
    for step, fault in zip(asked.judged.steps, asked.judged.faults, strict=True):
        if fault not in _SAYS_NOTHING and (step.seen.kind == CLICK or reason in _OF_VIEWS):
            reason = fault or reason
    return Verdict(CreditSignal.JOURNEY, reason)


_SAYS_NOTHING = (None, "other_advertiser")
_OF_VIEWS = ("no_touch", "outside_view_window")


def _by_path(asked: Asked, signal: CreditSignal, path: Sequence[Step]) -> Verdict:
    """Share by the model of the offer of the path's last touch."""
    terms = asked.lookup.terms(path[-1].seen.offer_id)
    assert isinstance(terms, OfferTerms)  # else the touch would have a fault
    seen = [step.seen for step in path]
    given = apply(Case(seen, terms.model, asked.conversion.occurred_at, asked.lookup))
    credited, shares = [], []
    for step, part in zip(path, given.shares, strict=True):
        if part is not ZERO and part:
            credited.append(step)
            shares.append(share_of(step, part))
    last = credited[-1].seen
    own = asked.lookup.terms(last.offer_id)
    assert isinstance(own, OfferTerms)
    window_s = own.window_s(last.partner_id, last.kind)
    return Verdict(signal, None, terms, shares, credited, given.name, window_s)


_CLICK_FIRST = (_by_click, _by_coupon, _by_journey)
_COUPON_FIRST = (_by_coupon, _by_click, _by_journey)


def _order(asked: Asked) -> Sequence[Callable[[Asked], Verdict | None]]:
    """Return the signals in the advertiser's order; without a coupon the orders are the same."""
    if asked.conversion.coupon and asked.lookup.signals() is SignalOrder.COUPON_FIRST:
        return _COUPON_FIRST
    return _CLICK_FIRST
