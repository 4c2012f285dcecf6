"""The verdict on a decision: each rule says what it saw, the worst action wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from afflux.kernel.catalog import FraudAction, Offer
from afflux.kernel.events import (
    Assessment,
    Decision,
    Input,
    Result,
    RuleReason,
    Share,
    Touch,
    Verdict,
)
from afflux.kernel.ids import derive
from services.fraud.domain.rules import (
    BOT_USER_AGENT,
    CLICK_RULES,
    CLICK_UNSCREENED,
    FLAGGED_CLICK,
    OFFER_UNKNOWN,
    REPEATED_CLICK,
    RULES_VERSION,
    SHORT_CLICK_TO_CONVERSION,
    Rule,
)

OfferOf = Callable[[int], Offer | None]
"""The offer of an id as the catalogue had it at the decision."""

_SEVERITY = {Verdict.PASS: 0, Verdict.HOLD: 1, Verdict.REJECT: 2}


def assess(decision: Decision, offer_of: OfferOf) -> Assessment:
    """Return the verdict on one version of a decision.

    Pure, and without a clock: the same decision gives the same assessment for ever, so nothing is
    released because time passed (law F4). Its version is the decision's: a later one supersedes.
    Nobody is paid for an unattributed decision; it passes without reasons.
    """
    reasons = list(_reasons(decision, offer_of)) if decision.result is Result.ATTRIBUTED else []
    return Assessment(
        event_id=derive(
            "assessment",
            decision.conversion_key,
            decision.version,
            decision.event_id,
            RULES_VERSION,
            *(part for reason in reasons for part in (reason.rule, reason.version, reason.action)),
        ),
        occurred_at=decision.occurred_at,
        recorded_at=decision.recorded_at,
        tenant_id=decision.tenant_id,
        conversion_key=decision.conversion_key,
        version=decision.version,
        decision_id=decision.event_id,
        decision_version=decision.version,
        verdict=verdict(reasons),
        reasons=reasons,
        rules_version=RULES_VERSION,
        decision=decision,
    )


def verdict(reasons: list[RuleReason]) -> Verdict:
    """Return the worst action asked for; without a reason the conversion passes."""
    asked = (reason.action for reason in reasons)
    return max(asked, key=_SEVERITY.__getitem__, default=Verdict.PASS)


def _reasons(decision: Decision, offer_of: OfferOf) -> Iterator[RuleReason]:
    touches = {touch.click_id: touch for touch in decision.touches}
    for share in decision.shares:
        offer = offer_of(share.offer_id)
        if offer is None:
            yield _offer_unknown(share)
            continue
        yield from _short_click_to_conversion(decision, share, offer)
        touch = touches.get(share.click_id) if share.click_id else None
        if touch is not None:
            yield from _flagged_click(touch, offer)
    if not decision.screened:
        yield _click_unscreened(decision)


def _short_click_to_conversion(
    decision: Decision, share: Share, offer: Offer
) -> Iterator[RuleReason]:
    if share.clicked_at is None or offer.ctit_floor_s <= 0:
        return
    elapsed_ms = decision.occurred_at - share.clicked_at
    if elapsed_ms < 1_000 * offer.ctit_floor_s:
        yield _reason(
            SHORT_CLICK_TO_CONVERSION,
            offer.on_short_ctit,
            {
                "offer_id": share.offer_id,
                "click_id": (share.click_id or b"").hex(),
                "clicked_at": share.clicked_at,
                "converted_at": decision.occurred_at,
                "elapsed_ms": elapsed_ms,
            },
            f"ctit_floor_s={offer.ctit_floor_s}",
        )


def _flagged_click(touch: Touch, offer: Offer) -> Iterator[RuleReason]:
    actions = {
        BOT_USER_AGENT.name: ("on_bot_click", offer.on_bot_click),
        REPEATED_CLICK.name: ("on_repeated_click", offer.on_repeated_click),
    }
    for name in touch.flags:
        term, action = actions.get(name, ("unknown_flag", FraudAction.HOLD))
        yield _reason(
            FLAGGED_CLICK,
            action,
            {"offer_id": offer.id, "click_id": touch.click_id.hex(), "flag": name},
            f"{term}={action}",
            exact=name in CLICK_RULES,
        )


def _click_unscreened(decision: Decision) -> RuleReason:
    clicks = ",".join(share.click_id.hex() for share in decision.shares if share.click_id)
    inputs = {"click_id": clicks, "screened": "false", "waited_ms": decision.waited_ms}
    return _reason(CLICK_UNSCREENED, FraudAction.HOLD, inputs, "screened=true")


def _offer_unknown(share: Share) -> RuleReason:
    inputs = {"offer_id": share.offer_id, "partner_id": share.partner_id}
    return _reason(OFFER_UNKNOWN, FraudAction.HOLD, inputs, "in_catalog=true")


def _reason(
    rule: Rule,
    action: FraudAction,
    inputs: Mapping[str, object],
    threshold: str,
    exact: bool = True,
) -> RuleReason:
    proven = exact and rule.exact
    asked = Verdict(action.value)
    return RuleReason(
        rule=rule.name,
        version=rule.version,
        # Law F1: what is not exact may delay money, never deny it.
        action=Verdict.HOLD if asked is Verdict.REJECT and not proven else asked,
        inputs=[Input(name=name, value=str(value)) for name, value in inputs.items()],
        threshold=threshold,
        exact=proven,
    )
