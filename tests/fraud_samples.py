"""Clicks, decisions and offers for the tests of fraud control."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from afflux.kernel.catalog import Catalog, FraudAction, Goal, Landing, Offer, Terms
from afflux.kernel.events import (
    Authentication,
    CatalogChange,
    Channel,
    Click,
    ClickOutcome,
    CreditSignal,
    Decision,
    Operation,
    Result,
    Share,
    Status,
    Touch,
    TouchOutcome,
)
from afflux.kernel.ids import derive, ulid
from afflux.kernel.types import Millis
from afflux.runtime.record import Record

T0 = 2_000_000_000_000  # after any test: a change counts as known once it was appended
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def offer(
    number: int = 7,
    repeat_click_s: int = 10,
    ctit_floor_s: int = 5,
    on_short_ctit: FraudAction = FraudAction.HOLD,
    on_repeated_click: FraudAction = FraudAction.PASS,
    on_bot_click: FraudAction = FraudAction.REJECT,
) -> Offer:
    """An offer of advertiser 1."""
    return Offer(
        id=number,
        advertiser_id=1,
        name=f"offer {number}",
        landings=[Landing(id=1, url="https://shop.example/?c={click_id}")],
        goals=[Goal(name="sale", revenue=Terms(percent="10"))],
        repeat_click_s=repeat_click_s,
        ctit_floor_s=ctit_floor_s,
        on_short_ctit=on_short_ctit,
        on_repeated_click=on_repeated_click,
        on_bot_click=on_bot_click,
    )


def change(of: Offer, version: int = 1, valid_from: int = 0, recorded_at: int = 0) -> CatalogChange:
    """A version of an offer in the catalogue's log."""
    return CatalogChange(
        event_id=derive("change", of.entity_id, version),
        occurred_at=Millis(valid_from),
        recorded_at=Millis(recorded_at),
        kind="offer",
        entity_id=of.entity_id,
        version=version,
        valid_from=Millis(valid_from),
        operation=Operation.PUT,
        body=msgspec.json.encode(of).decode(),
        author="test",
    )


def catalog(*changes: CatalogChange) -> Catalog:
    """A catalogue with these changes."""
    view = Catalog()
    for each in changes:
        view.apply(each)
    return view


class Known:
    """A catalogue that is complete from the start."""

    def __init__(self, view: Catalog) -> None:
        self.view = view

    async def sync(self, known_at: Millis) -> Millis:
        """Nothing is missing."""
        return known_at


async def nothing_counted() -> dict[int, int]:
    """No screen has published counts."""
    return {}


def click(
    number: int,
    at: int = 0,
    visitor: int = 1,
    link: int = 3,
    user_agent: str = CHROME,
    outcome: ClickOutcome = ClickOutcome.REDIRECTED,
    offer_id: int = 7,
    recorded_at: int | None = None,
) -> Click:
    """Click `number` at T0 + `at` ms."""
    return Click(
        event_id=ulid(Millis(T0 + at), number.to_bytes(10, "big")),
        click_id=ulid(Millis(T0 + at), number.to_bytes(10, "big")),
        occurred_at=Millis(T0 + at),
        recorded_at=Millis(T0 + at if recorded_at is None else recorded_at),
        visitor_key=derive("visitor", visitor),
        visitor_is_new=False,
        link_id=link,
        partner_id=100 + link,
        offer_id=offer_id,
        advertiser_id=1,
        ip_prefix="192.0.2.0/24",
        ip_hash=b"\x00" * 16,
        user_agent=user_agent,
        outcome=outcome,
        edge_id="edge-1",
        journal_position=number,
    )


def records(clicks: Sequence[Click], partition: int = 0, first_offset: int = 0) -> list[Record]:
    """The clicks as a log holds them."""
    return [
        Record(Click.topic, partition, first_offset + n, c.key, b"", c.recorded_at, (), c)
        for n, c in enumerate(clicks)
    ]


def credited_click(offer_id: int, flags: Sequence[str]) -> tuple[Share, Touch]:
    """What a decision says of the one click that it credits."""
    clicked = Millis(T0)
    click_id = ulid(clicked, b"0123456789")
    touch = Touch(
        click_id=click_id,
        partner_id=103,
        offer_id=offer_id,
        link_id=3,
        occurred_at=clicked,
        kind="click",
        flags=list(flags),
        invalid=bool(flags),
        outcome=TouchOutcome.CREDITED,
    )
    share = Share(
        partner_id=103,
        offer_id=offer_id,
        link_id=3,
        click_id=click_id,
        clicked_at=clicked,
        numerator=1,
        denominator=1,
    )
    return share, touch


def decision(
    version: int = 1,
    elapsed_ms: int = 60_000,
    flags: Sequence[str] = (),
    screened: bool = True,
    result: Result = Result.ATTRIBUTED,
    offer_id: int = 7,
    waited_ms: int = 0,
) -> Decision:
    """A decision that credits one click, `elapsed_ms` before the conversion."""
    share, touch = credited_click(offer_id, flags)
    credited = result is Result.ATTRIBUTED
    return Decision(
        event_id=derive("decision", elapsed_ms, ",".join(flags), int(screened), result.value),
        occurred_at=Millis(T0 + elapsed_ms),
        recorded_at=Millis(T0 + elapsed_ms + 5),
        conversion_key=derive("conversion", 1, "sale", "t1"),
        body_hash=derive("body"),
        version=version,
        result=result,
        reason=None if credited else "no_touch",
        advertiser_id=1,
        offer_id=offer_id,
        goal="sale",
        transaction_id="t1",
        value_minor=1_000,
        currency="EUR",
        status=Status.APPROVED,
        channel=Channel.POSTBACK,
        authentication=Authentication.HMAC,
        reported_at=Millis(T0 + elapsed_ms),
        shares=[share] if credited else [],
        touches=[touch] if credited else [],
        signal=CreditSignal.CLICK_ID if credited else CreditSignal.NONE,
        model="last",
        window_s=3_600,
        terms_version=1,
        screened=screened,
        waited_ms=waited_ms,
    )
