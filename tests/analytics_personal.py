"""A world that names its visitors wherever services let it, and one of these visitors."""

from __future__ import annotations

import msgspec

from afflux.kernel.events import (
    Assessment,
    Click,
    ClickFlag,
    Conversion,
    Decision,
    Event,
    Impression,
    Input,
    RuleReason,
    Verdict,
)
from afflux.kernel.ids import derive
from tests.analytics_samples import world


def customer(who: bytes) -> bytes:
    """The advertiser's key of a visitor that buys."""
    return derive("customer", who)


def binding(who: bytes) -> bytes:
    """The conversion that bound a visitor's customer: it joins the conversions of one person."""
    return derive("binding", who)


def told(event: Event, buyers: dict[bytes, bytes]) -> Event:
    """Reports and decisions name the customer, an assessment the clicks it judged."""
    replace = msgspec.structs.replace
    if isinstance(event, Conversion | Decision):
        who = buyers.get(event.conversion_key)
        known = replace(event, customer_key=who and customer(who))
        return replace(known, bound_by=who and binding(who)) if type(event) is Decision else known
    if not isinstance(event, Assessment):
        return event
    clicks = [
        Input(name="click_id", value=(s.click_id or b"").hex()) for s in event.decision.shares
    ]
    reason = RuleReason(
        rule="flagged_click",
        version=1,
        action=Verdict.HOLD,
        inputs=clicks,
        threshold="on_bot_click=hold",
        exact=True,
    )
    return replace(event, reasons=[reason], decision=told(event.decision, buyers))


def told_world() -> list[Event]:
    """A world whose events name all that services let them name."""
    events = world(400, seed=21)
    buyers = {
        e.conversion_key: e.visitor_key
        for e in events
        if isinstance(e, Conversion) and e.visitor_key is not None
    }
    return [told(event, buyers) for event in events]


WORLD = told_world()


def busiest() -> bytes:
    """The visitor with a conversion and the most clicks, one of them flagged."""
    buyers = {e.visitor_key for e in WORLD if isinstance(e, Conversion)}
    flagged = {e.visitor_key for e in WORLD if isinstance(e, ClickFlag)}
    viewers = {e.visitor_key for e in WORLD if isinstance(e, Impression)}
    clicks = [e.visitor_key for e in WORLD if isinstance(e, Click)]
    return max(sorted(buyers & flagged & viewers), key=clicks.count)


WHO = busiest()


def ids_of(who: bytes) -> list[bytes]:
    """What leads to a visitor: its key, the ids of its clicks, the customer it is."""
    return [who, customer(who), binding(who), *(e.click_id for e in WORLD if is_click_of(e, who))]


def is_click_of(event: Event, who: bytes) -> bool:
    return isinstance(event, Click) and event.visitor_key == who
