"""Events for the tests of analytics: a small world, made from a seed."""

from __future__ import annotations

import random

from afflux.kernel.events import (
    AdjustmentKind,
    Assessment,
    Authentication,
    CatalogChange,
    Channel,
    Click,
    ClickFlag,
    ClickOutcome,
    Conversion,
    CreditSignal,
    Decision,
    Erasure,
    Event,
    FlagAction,
    Impression,
    Item,
    Operation,
    PartitionReason,
    Result,
    Share,
    Signal,
    Status,
    Touch,
    TouchOutcome,
    Verdict,
)
from afflux.kernel.ids import derive, ulid
from afflux.kernel.types import Millis
from tests.analytics_money import HOUR, START, adjustment, entries


def click(rng: random.Random, number: int, *, partner_id: int | None = None) -> Click:
    """One click of partner 1..5 within three days."""
    at = Millis(START + rng.randrange(72 * HOUR))
    partner = partner_id or rng.randint(1, 5)
    click_id = ulid(at, number.to_bytes(10, "big"))
    return Click(
        event_id=click_id,
        occurred_at=at,
        recorded_at=Millis(at + 5),
        click_id=click_id,
        visitor_key=derive("visitor", rng.randrange(200)),
        visitor_is_new=rng.random() < 0.5,
        link_id=partner * 10 + rng.randint(0, 1),
        partner_id=partner,
        offer_id=100 + rng.randint(0, 2),
        advertiser_id=7,
        landing_id=1,
        ip_prefix="10.1.2.0/24",
        ip_hash=rng.randbytes(8),
        country=rng.choice(["DE", "FR", None]),
        user_agent="Mozilla/5.0 (X11; Linux x86_64)",
        device=rng.choice(["desktop", "mobile"]),
        os="Linux",
        browser="Firefox",
        source=rng.choice(["mail", "blog", None]),
        sub=rng.choice([[], ["a"], ["a", "b'\\{x}"]]),
        cost_minor=rng.choice([None, 3]),
        cost_currency=None,
        outcome=rng.choice(
            [ClickOutcome.REDIRECTED, ClickOutcome.REDIRECTED, ClickOutcome.REFUSED]
        ),
        edge_id="edge-1",
        journal_position=number,
    )


def clicks(count: int, seed: int = 1) -> list[Click]:
    """Clicks of five partners."""
    rng = random.Random(seed)
    return [click(rng, number) for number in range(count)]


def impression(rng: random.Random, number: int) -> Impression:
    """One view by one of the same visitors; one in four does not count."""
    at = Millis(START + rng.randrange(72 * HOUR))
    partner = rng.randint(1, 5)
    impression_id = ulid(at, number.to_bytes(10, "big"))
    return Impression(
        event_id=impression_id,
        occurred_at=at,
        recorded_at=Millis(at + 5),
        impression_id=impression_id,
        visitor_key=derive("visitor", rng.randrange(200)),
        visitor_is_new=False,
        link_id=partner * 10 + rng.randint(0, 1),
        partner_id=partner,
        offer_id=100 + rng.randint(0, 2),
        advertiser_id=7,
        ip_prefix="10.1.2.0/24",
        ip_hash=rng.randbytes(8),
        country=rng.choice(["DE", "FR", None]),
        user_agent="Mozilla/5.0 (X11; Linux x86_64)",
        device=rng.choice(["desktop", "mobile"]),
        os="Linux",
        browser="Firefox",
        source=rng.choice(["mail", "blog", None]),
        sub=rng.choice([[], ["a"]]),
        reason=rng.choice([None, None, None, "preview"]),
        edge_id="edge-1",
        journal_position=number,
    )


def erasure(visitor_key: bytes, at: Millis = START) -> Erasure:
    """A visitor asks to be forgotten."""
    return Erasure(
        event_id=derive("erasure", visitor_key, at),
        occurred_at=at,
        recorded_at=at,
        visitor_key=visitor_key,
        author="test",
    )


def flag(
    of: Click, action: FlagAction = FlagAction.INVALID, signal: str = "bot_user_agent"
) -> ClickFlag:
    """The screen's word on a click."""
    return ClickFlag(
        event_id=derive("flag", of.click_id),
        occurred_at=of.occurred_at,
        recorded_at=of.recorded_at,
        action=action,
        click_id=of.click_id,
        visitor_key=of.visitor_key,
        partner_id=of.partner_id,
        offer_id=of.offer_id,
        link_id=of.link_id,
        signals=[Signal(name=signal, version=1, evidence="x", exact=True)],
        source_partition=0,
        source_offset=of.journal_position,
    )


def conversion(
    of: Click, number: int, *, after_ms: int = 60_000, currency: str = "EUR"
) -> Conversion:
    """A sale that names its click."""
    at = Millis(of.occurred_at + after_ms)
    key = derive("conversion", 7, "sale", f"T{number}")
    return Conversion(
        event_id=key,
        occurred_at=at,
        recorded_at=Millis(at + 50),
        conversion_key=key,
        body_hash=derive("body", number),
        advertiser_id=7,
        offer_id=of.offer_id,
        goal="sale",
        transaction_id=f"T{number}",
        click_id=of.click_id,
        visitor_key=of.visitor_key,
        click_partner_id=of.partner_id,
        click_offer_id=of.offer_id,
        click_link_id=of.link_id,
        clicked_at=of.occurred_at,
        value_minor=1000 + number,
        currency=currency,
        items=[Item(sku="a", value_minor=1000 + number)],
        country=of.country,
        channel=Channel.POSTBACK,
        authentication=Authentication.HMAC,
        status=Status.APPROVED,
        partition_reason=PartitionReason.VISITOR,
        edge_id="edge-1",
        journal_position=number,
    )


def decision(of: Conversion, from_click: Click | None, version: int = 1) -> Decision:
    """The whole conversion to one click, or to nobody."""
    shares = []
    if from_click is not None:
        shares = [
            Share(
                partner_id=from_click.partner_id,
                offer_id=from_click.offer_id,
                link_id=from_click.link_id,
                click_id=from_click.click_id,
                clicked_at=from_click.occurred_at,
                numerator=1,
                denominator=1,
            )
        ]
    return Decision(
        event_id=derive("decision", of.conversion_key, version),
        occurred_at=of.occurred_at,
        recorded_at=of.recorded_at,
        conversion_key=of.conversion_key,
        body_hash=of.body_hash,
        version=version,
        result=Result.ATTRIBUTED if shares else Result.UNATTRIBUTED,
        reason=None if shares else "no_touch",
        advertiser_id=of.advertiser_id,
        offer_id=of.offer_id,
        goal=of.goal,
        transaction_id=of.transaction_id,
        value_minor=of.value_minor,
        currency=of.currency,
        items=of.items,
        country=of.country,
        new_customer=True,
        status=of.status,
        channel=of.channel,
        authentication=of.authentication,
        reported_at=of.recorded_at,
        shares=shares,
        touches=[
            Touch(
                click_id=share.click_id,
                partner_id=share.partner_id,
                offer_id=share.offer_id,
                link_id=share.link_id,
                occurred_at=share.clicked_at,
                kind="click",
                outcome=TouchOutcome.CREDITED,
            )
            for share in shares
            if share.click_id is not None and share.clicked_at is not None
        ],
        signal=CreditSignal.CLICK_ID,
        model="last",
        window_s=2_592_000,
        terms_version=1,
        screened=True,
        waited_ms=0,
    )


def assessment(of: Decision, verdict: Verdict = Verdict.PASS) -> Assessment:
    """The verdict on a decision."""
    return Assessment(
        event_id=derive("assessment", of.event_id, verdict.value),
        occurred_at=of.occurred_at,
        recorded_at=of.recorded_at,
        conversion_key=of.conversion_key,
        version=of.version,
        decision_id=of.event_id,
        decision_version=of.version,
        verdict=verdict,
        rules_version=1,
        decision=of,
    )


def named(kind: str, entity_id: int, name: str) -> CatalogChange:
    """A catalogue entry with a name."""
    return CatalogChange(
        event_id=derive("change", kind, entity_id),
        occurred_at=START,
        recorded_at=START,
        kind=kind,
        entity_id=str(entity_id),
        version=1,
        valid_from=Millis(0),
        operation=Operation.PUT,
        body=f'{{"name": "{name}"}}',
        author="test",
    )


def world(count: int, seed: int = 1) -> list[Event]:
    """Clicks, flags, conversions with decisions, assessments and money; some refunded."""
    rng, views = random.Random(seed), random.Random(-seed - 1)
    events: list[Event] = [named("partner", number, f"Partner {number}") for number in range(1, 6)]
    sequence = 0
    for number, one in enumerate(clicks(count, seed)):
        events.append(one)
        if number % 3 == 0:
            events.append(impression(views, number))
        if rng.random() < 0.1:
            events.append(flag(one))
        if rng.random() < 0.2:
            currency = rng.choice(["EUR", "EUR", "USD"])
            sale = conversion(one, number, after_ms=rng.randrange(1, 10**7), currency=currency)
            decided = decision(sale, one)
            verdict = rng.choice([Verdict.PASS, Verdict.PASS, Verdict.REJECT, Verdict.HOLD])
            events += [sale, decided, assessment(decided, verdict)]
            if verdict is not Verdict.REJECT:
                events += entries(decided, sequence, 100 + number, 40)
                sequence += 2
            if rng.random() < 0.3:
                events.append(adjustment(sale, AdjustmentKind.REFUND))
    return events
