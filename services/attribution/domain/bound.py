"""What a decision becomes when the customer has its say."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from afflux.kernel.events import CreditSignal, Decision, Result, Touch, TouchOutcome
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis
from services.attribution.domain.customers import Choice

MODEL = "customer"
"""No model shares here: the shares are those of the conversion that bound the customer."""
_NO_ID = bytes(16)
_NO_TOUCH = "no_touch"
_SPEAKS_LAST = ("lifetime_over", "customer_unbound")
"""Why nobody is credited although the customer was known: said instead of any other reason."""


def bound(asked: Decision, choice: Choice) -> Decision:
    """Return the decision that stands: `asked`, or the customer's.

    Pure; the result's `event_id` is the hash of its content (law I3), its version is 0.
    """
    asked = msgspec.structs.replace(asked, version=0, supersedes=None)
    if not choice.shares:
        return _unbound(asked, choice.reason)
    shared = {share.click_id for share in choice.shares if share.click_id is not None}
    content = msgspec.structs.replace(
        asked,
        result=Result.ATTRIBUTED,
        reason=None,
        offer_id=choice.offer_id,
        shares=list(choice.shares),
        touches=[_beside(touch, shared) for touch in asked.touches],
        signal=CreditSignal.CUSTOMER,
        model=MODEL,
        window_s=0,
        terms_version=choice.terms_version,
        screened=True,
        bound_by=choice.bound_by,
    )
    return _sealed(content, max(asked.recorded_at, choice.bound_at))


def _unbound(asked: Decision, reason: str | None) -> Decision:
    """Return what was decided without the customer; if that is nobody, maybe with another reason:
    what was known of the customer says more than that there was no touch."""
    if reason is None or asked.result is Result.ATTRIBUTED:
        return asked
    if asked.reason != _NO_TOUCH and reason not in _SPEAKS_LAST:
        return asked
    content = msgspec.structs.replace(asked, reason=reason, signal=CreditSignal.CUSTOMER)
    return _sealed(content, asked.recorded_at)


def _beside(touch: Touch, shared: Collection[bytes]) -> Touch:
    """Return a touch beside the customer's shares: the bound click itself is credited, others that
    could have earned helped (law A4)."""
    if touch.click_id in shared:
        return msgspec.structs.replace(touch, outcome=TouchOutcome.CREDITED, reason=None)
    if touch.outcome is TouchOutcome.NONE:
        return touch
    return msgspec.structs.replace(touch, outcome=TouchOutcome.ASSISTED, reason="customer_bound")


def _sealed(content: Decision, recorded_at: Millis) -> Decision:
    bare = msgspec.structs.replace(content, event_id=_NO_ID, recorded_at=Millis(0), waited_ms=0)
    event_id = derive("decision", msgspec.msgpack.encode(bare))
    return msgspec.structs.replace(content, event_id=event_id, recorded_at=recorded_at)
