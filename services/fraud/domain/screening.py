"""Whether one click is valid."""

from __future__ import annotations

from afflux.kernel.catalog import Offer
from afflux.kernel.events import Click, ClickFlag, ClickOutcome, FlagAction, Signal
from afflux.kernel.ids import derive
from services.fraud.domain.bots import bot_pattern
from services.fraud.domain.repeats import Recent, repeat_of
from services.fraud.domain.rules import BOT_USER_AGENT, REPEATED_CLICK, Rule

JUDGED = frozenset({ClickOutcome.REDIRECTED, ClickOutcome.FALLBACK})
"""Outcomes of clicks that were followed: previews and refusals are neither judged nor counted."""


def signals(click: Click, recent: Recent, offer: Offer | None) -> list[Signal]:
    """Return what the rules see in a click; nothing means that it is valid.

    `recent` are the clicks of its visitor on its link before it in the log. `offer` is the
    catalogue's at the click: without it no limit is known, and repeats are not looked for.
    """
    found = []
    pattern = bot_pattern(click.user_agent)
    if pattern is not None:
        found.append(_signal(BOT_USER_AGENT, f"pattern={pattern}"))
    if offer is not None:
        past = repeat_of(recent, click.occurred_at, 1_000 * offer.repeat_click_s)
        if past is not None:
            evidence = (
                f"click_id={past.click_id.hex()} apart_ms={click.occurred_at - past.occurred_at}"
                f" limit_s={offer.repeat_click_s}"
            )
            found.append(_signal(REPEATED_CLICK, evidence))
    return found


def _signal(rule: Rule, evidence: str) -> Signal:
    return Signal(name=rule.name, version=rule.version, evidence=evidence, exact=rule.exact)


def flag(click: Click, found: list[Signal], partition: int, offset: int) -> ClickFlag:
    """Return the flag of an invalid click that stands at `offset` of `partition`.

    Its instants are the click's, so that the same log gives the same flag.
    """
    names = (part for signal in found for part in (signal.name, signal.version))
    return ClickFlag(
        event_id=derive("click-flag", click.click_id, *names),
        occurred_at=click.occurred_at,
        recorded_at=click.recorded_at,
        tenant_id=click.tenant_id,
        action=FlagAction.INVALID,
        click_id=click.click_id,
        visitor_key=click.visitor_key,
        partner_id=click.partner_id,
        offer_id=click.offer_id,
        link_id=click.link_id,
        signals=found,
        source_partition=partition,
        source_offset=offset,
    )
