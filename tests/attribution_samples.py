"""Clicks, flags, conversions, and a log of them, for the tests of attribution."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

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
    Decision,
    FlagAction,
    Operation,
    PartitionReason,
    Signal,
    Status,
)
from afflux.kernel.ids import derive, ulid
from afflux.kernel.outcome import DeadLetter, Emit, Outcome
from afflux.kernel.types import Millis
from services.attribution.domain.erasing import Ends
from services.attribution.process import Arrival, Policy, Process
from services.attribution.state import State
from services.attribution.table import Table

T0 = 2_000_000_000_000  # after any test: a change counts as known once it was appended
HOUR = 3_600_000
WINDOW_S = 3_600
POLICY = Policy(grace_ms=24 * HOUR, wait_ms=30_000)
NEVER = Millis(T0 + 10_000 * HOUR)
"""A worker clock that has waited for everything."""


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
        occurred_at=Millis(T0 + at),
        recorded_at=Millis(T0 + (at if recorded_at is None else recorded_at)),
        visitor_key=visitor(who),
        visitor_is_new=False,
        link_id=partner * 10 + offer_id,
        partner_id=partner,
        offer_id=offer_id,
        advertiser_id=2 if offer_id == 9 else 1,
        ip_prefix="192.0.2.0/24",
        ip_hash=bytes(16),
        user_agent="Mozilla/5.0",
        outcome=outcome,
        reason=reason,
        edge_id="edge-1",
        journal_position=number,
    )


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
    """Three topics of one partition."""

    clicks: list[Click] = field(default_factory=list)
    flags: list[ClickFlag] = field(default_factory=list)
    conversions: list[Conversion] = field(default_factory=list)
    erasures: dict[bytes, Millis] = field(default_factory=dict)

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
        return Ends(ends[0], max(ends[1], min(enough, default=0)), ends[2])

    def topic(self, name: str) -> Sequence[Click | ClickFlag | Conversion]:
        """The records of a topic; their offsets count from 0."""
        topics = {
            Click.topic: self.clicks,
            ClickFlag.topic: self.flags,
            Conversion.topic: self.conversions,
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


TOPICS = (Click.topic, ClickFlag.topic, Conversion.topic)
Take = tuple[str, int]
"""How many records of which topic a batch takes."""


class Worker:
    """The loop in miniature: reads a log from the store's offsets, publishes, commits."""

    def __init__(
        self, log: Log, table: Table, view: Catalog | None = None, policy: Policy = POLICY
    ) -> None:
        self.log = log
        self.table = table
        self.view = view or catalog()
        self.policy = policy
        self.published: list[Decision] = []
        self.outcomes: list[Outcome] = []
        self.erased: dict[bytes, Millis] = {}
        self.start()

    def start(self) -> None:
        """Open the store, as after a crash: what was not committed is gone."""
        state = State(self.table)
        state.take_ownership()
        self.process = Process(state, self.view, self.policy, self.erased)

    def stop(self) -> None:
        """Leave in order."""
        self.process.state.release()

    def turn(self, takes: Sequence[Take] = (), now: int = 0, commit: bool = True) -> None:
        """One batch; without `commit` the process dies after publishing."""
        offsets = self.process.state.offsets
        arrivals: list[Arrival] = []
        positions: dict[str, int] = {}
        for topic, count in takes:
            begin = positions.get(topic, offsets[topic])
            some = self.log.topic(topic)[begin : begin + count]
            arrivals += [Arrival(begin + n, event) for n, event in enumerate(some)]
            if some:
                positions[topic] = begin + len(some)
        at = Millis(T0 + now)
        self.know(max((arrival.event.recorded_at for arrival in arrivals), default=0), at)
        taken = self.process.take(arrivals, len(self.log.clicks), at)
        settled = self.process.settle(at)
        self.outcomes += [*taken, *settled]
        for outcome in (*taken, *settled):
            if isinstance(outcome, Emit):
                self.published += [e for e in outcome.events if isinstance(e, Decision)]
        if commit:
            self.process.state.commit(positions)
        else:
            self.start()

    def know(self, recorded_at: int, now: Millis) -> None:
        """Know the erasures up to an instant, as the stage does before it takes a batch."""
        for visitor_key, at in self.log.erasures.items():
            if at <= recorded_at:
                self.erased.setdefault(visitor_key, at)
        if self.process.waits_for_ends(now):
            self.process.wait_for(self.log.ends_after(max(self.erased.values())), now)

    def drain(self, batch: int = 1000, now: int = 0, forever: bool = True) -> Worker:
        """Read every topic to its end, then let every wait be over."""
        while any(
            self.process.state.offsets[topic] < len(self.log.topic(topic)) for topic in TOPICS
        ):
            self.turn([(topic, batch) for topic in TOPICS], now)
        if forever:
            self.know(NEVER, Millis(T0 + now))
            self.turn(now=NEVER - T0)
            self.turn(now=NEVER - T0)
        return self

    @property
    def final(self) -> dict[bytes, Decision]:
        """The decision that stands for each conversion: the one of the highest version."""
        last: dict[bytes, Decision] = {}
        for decision in self.published:
            known = last.get(decision.conversion_key)
            if known is None or decision.version > known.version:
                last[decision.conversion_key] = decision
        return last

    @property
    def dead(self) -> list[DeadLetter]:
        """Dead letters so far."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, DeadLetter)]


def content(worker: Worker) -> dict[bytes, bytes]:
    """What was finally decided, by conversion key."""
    return {key: decision.event_id for key, decision in worker.final.items()}
