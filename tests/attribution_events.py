"""Clicks, flags, conversions and a catalogue for the tests of attribution."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from afflux.kernel.catalog import Catalog, Goal, Landing, Offer, Terms
from afflux.kernel.events import (
    Authentication,
    CatalogChange,
    Channel,
    Click,
    ClickFlag,
    ClickOutcome,
    Conversion,
    FlagAction,
    Impression,
    Operation,
    PartitionReason,
    Redecision,
    Signal,
    Status,
)
from afflux.kernel.ids import derive, ulid
from afflux.kernel.types import Millis
from services.attribution.domain.erasing import Ends

T0 = 2_000_000_000_000  # after any test: a change counts as known once it was appended
HOUR = 3_600_000
WINDOW_S = 3_600
TOPICS = (Click.topic, ClickFlag.topic, Conversion.topic, Impression.topic)


def visitor(number: int) -> bytes:
    """Key of visitor `number`."""
    return derive("visitor", number)


def offer(number: int, advertiser: int = 1, window_s: int = WINDOW_S) -> Offer:
    """An offer with the goals sale and lead; a lead has half the window."""
    return Offer(
        id=number,
        advertiser_id=advertiser,
        name=f"offer {number}",
        landings=[Landing(id=1, url="https://shop.example/?c={click_id}")],
        goals=[
            Goal(name="sale", revenue=Terms(percent="10")),
            Goal(
                name="lead", revenue=Terms(flat_minor=100, currency="EUR"), window_s=window_s // 2
            ),
        ],
        click_window_s=window_s,
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
    """These changes; by default offers 7 and 8 of advertiser 1, and 9 of advertiser 2."""
    view = Catalog()
    for each in changes or (change(offer(7)), change(offer(8)), change(offer(9, advertiser=2))):
        view.apply(each)
    return view


def click(
    number: int,
    at: int = 0,
    who: int = 1,
    offer_id: int = 7,
    partner: int = 100,
    recorded_at: int | None = None,
    outcome: ClickOutcome = ClickOutcome.REDIRECTED,
    reason: str | None = None,
) -> Click:
    """Click `number` at T0 + `at` ms, recorded at T0 + `recorded_at`."""
    click_id = ulid(Millis(T0 + at), number.to_bytes(10, "big"))
    return Click(
        event_id=click_id,
        click_id=click_id,
        outcome=outcome,
        reason=reason,
        **_visit(number, at, who, offer_id, partner, recorded_at),
    )


def view(
    number: int,
    at: int = 0,
    who: int = 1,
    offer_id: int = 7,
    partner: int = 100,
    recorded_at: int | None = None,
    reason: str | None = None,
) -> Impression:
    """Impression `number` at T0 + `at` ms, recorded at T0 + `recorded_at`."""
    impression_id = ulid(Millis(T0 + at), b"v" + number.to_bytes(9, "big"))
    return Impression(
        event_id=impression_id,
        impression_id=impression_id,
        reason=reason,
        **_visit(number, at, who, offer_id, partner, recorded_at),
    )


def _visit(
    number: int, at: int, who: int, offer_id: int, partner: int, recorded_at: int | None
) -> dict[str, Any]:
    """What a click and an impression have in common."""
    return {
        "occurred_at": Millis(T0 + at),
        "recorded_at": Millis(T0 + (at if recorded_at is None else recorded_at)),
        "visitor_key": visitor(who),
        "visitor_is_new": False,
        "link_id": partner * 10 + offer_id,
        "partner_id": partner,
        "offer_id": offer_id,
        "advertiser_id": 2 if offer_id == 9 else 1,
        "ip_prefix": "192.0.2.0/24",
        "ip_hash": bytes(16),
        "user_agent": "Mozilla/5.0",
        "edge_id": "edge-1",
        "journal_position": number,
    }


def flag(of: Click, offset: int, name: str = "bot_user_agent", recorded_at: int = 0) -> ClickFlag:
    """The screen's word that a click is invalid."""
    return ClickFlag(
        event_id=derive("flag", of.click_id, name),
        occurred_at=of.occurred_at,
        recorded_at=Millis(T0 + recorded_at),
        action=FlagAction.INVALID,
        click_id=of.click_id,
        visitor_key=of.visitor_key,
        partner_id=of.partner_id,
        offer_id=of.offer_id,
        link_id=of.link_id,
        signals=[Signal(name=name, version=1, evidence="test", exact=True)],
        source_partition=0,
        source_offset=offset,
    )


def screened(offset: int, recorded_at: int = 0) -> ClickFlag:
    """The screen's watermark: all clicks below `offset` are judged."""
    return ClickFlag(
        event_id=derive("screened", offset),
        occurred_at=Millis(T0 + recorded_at),
        recorded_at=Millis(T0 + recorded_at),
        action=FlagAction.SCREENED,
        source_partition=0,
        source_offset=offset,
    )


def conversion(
    number: int,
    at: int = 60_000,
    named: Click | None = None,
    who: int | None = None,
    offer_id: int | None = None,
    goal: str = "sale",
    advertiser: int = 1,
    body: int = 0,
    recorded_at: int | None = None,
) -> Conversion:
    """Conversion `number` at T0 + `at` ms, naming a click, or of a visitor, or of nobody."""
    key = named.visitor_key if named else visitor(who) if who is not None else None
    return Conversion(
        event_id=derive("report", number, body),
        occurred_at=Millis(T0 + at),
        recorded_at=Millis(T0 + (at if recorded_at is None else recorded_at)),
        conversion_key=derive("conversion", advertiser, goal, f"t{number}"),
        body_hash=derive("body", number, body),
        advertiser_id=advertiser,
        offer_id=offer_id,
        goal=goal,
        transaction_id=f"t{number}",
        click_id=named.click_id if named else None,
        visitor_key=key,
        click_partner_id=named.partner_id if named else None,
        click_offer_id=named.offer_id if named else None,
        click_link_id=named.link_id if named else None,
        clicked_at=named.occurred_at if named else None,
        value_minor=1_000,
        currency="EUR",
        channel=Channel.POSTBACK,
        authentication=Authentication.HMAC,
        status=Status.APPROVED,
        partition_reason=PartitionReason.VISITOR if key else PartitionReason.CONVERSION,
        edge_id="edge-1",
        journal_position=number,
    )


@dataclass
class Log:
    """Four topics of one partition."""

    clicks: list[Click] = field(default_factory=list)
    flags: list[ClickFlag] = field(default_factory=list)
    conversions: list[Conversion] = field(default_factory=list)
    erasures: dict[bytes, Millis] = field(default_factory=dict)
    redecisions: list[Redecision] = field(default_factory=list)
    views: list[Impression] = field(default_factory=list)

    def ends_after(self, at: Millis) -> Ends:
        """The first ends behind which every record's log time is later than `at`."""
        ends = []
        for name in TOPICS:
            log_time, end = 0, 0
            for number, event in enumerate(self.topic(name), 1):
                log_time = max(log_time, event.recorded_at)
                end = number if log_time <= at else end
            ends.append(end)
        # The screen is never idle: its words on these clicks stand in the log, too.
        marks = [n for n, f in enumerate(self.flags, 1) if f.action is FlagAction.SCREENED]
        enough = [n for n in marks if self.flags[n - 1].source_offset >= ends[0]]
        before = sum(wish.recorded_at <= at for wish in self.redecisions)
        return Ends(ends[0], max(ends[1], min(enough, default=0)), ends[2], before, views=ends[3])

    def topic(
        self, name: str
    ) -> Sequence[Click | ClickFlag | Conversion | Impression | Redecision]:
        """The records of a topic; their offsets count from 0."""
        topics = {
            Click.topic: self.clicks,
            ClickFlag.topic: self.flags,
            Conversion.topic: self.conversions,
            Impression.topic: self.views,
            Redecision.topic: self.redecisions,
        }
        return topics[name]

    def screen(self, invalid: Iterable[Click] = (), recorded_at: int = 0) -> Log:
        """Judge every click: flags of the invalid ones, then the watermark."""
        bad = {each.click_id for each in invalid}
        for offset, each in enumerate(self.clicks):
            if each.click_id in bad:
                self.flags.append(flag(each, offset, recorded_at=recorded_at))
        self.flags.append(screened(len(self.clicks), recorded_at))
        return self
