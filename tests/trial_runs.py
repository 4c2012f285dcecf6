"""A log of several partners with trial runs, through attribution, fraud control and the ledger."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from afflux.kernel.catalog import Catalog, CommissionRule, ModelTerms, Partner, ShadowModel, Terms
from afflux.kernel.events import (
    Click,
    ClickFlag,
    Conversion,
    Decision,
    Event,
    LedgerEntry,
)
from afflux.kernel.outcome import Emit
from afflux.kernel.types import Millis
from afflux.runtime.loop import TopicPartition
from afflux.runtime.record import Record
from services.attribution.process import TouchEnds
from services.attribution.stage import AttributionStage
from services.fraud.process import process_decision
from services.payouts.domain.accrual import World
from services.payouts.domain.chain import Head, chained
from services.payouts.domain.facts import Source, Standing
from services.payouts.domain.transfers import Transfer
from services.payouts.process import Fact, Step, take
from tests.attribution_events import HOUR, T0, Log, click, conversion, offer
from tests.attribution_samples import NEVER, POLICY
from tests.fraud_samples import Known
from tests.payouts_samples import catalog

PARTNERS = range(5)
TRIALS = [
    ShadowModel(offer_id=7, model=ModelTerms(name="linear")),
    ShadowModel(offer_id=7, model=ModelTerms(name="first")),
    ShadowModel(offer_id=7, goal="sale", model=ModelTerms(name="time_decay", half_life_s=600)),
    ShadowModel(offer_id=8, goal="lead", model=ModelTerms(name="position")),
]


def a_catalog(*trials: ShadowModel) -> Catalog:
    """Two offers, their partners, and trial runs."""
    partners = [Partner(id=number, name=f"p{number}") for number in PARTNERS]
    rule = CommissionRule(id="all", terms=Terms(percent="7"))
    return catalog(
        offer(7), msgspec.structs.replace(offer(8), model="first"), *partners, rule, *trials
    )


def a_log(seed: int) -> Log:
    """Clicks of a few visitors, some flagged or late, and sales and leads that name some."""
    dice = random.Random(seed)
    made = [
        click(
            number,
            moment := dice.randrange(3 * HOUR),
            who=dice.randrange(8),
            offer_id=dice.choice([7, 7, 8]),
            partner=dice.choice(PARTNERS),
            recorded_at=moment + dice.choice([0, 0, 0, 4 * HOUR]),
        )
        for number in range(150)
    ]
    log = Log(sorted(made, key=lambda one: one.recorded_at))
    log.screen(invalid=dice.sample(made, 10), recorded_at=5 * HOUR)
    for number in range(80):
        named = dice.choice(made) if dice.random() < 0.5 else None
        at = (named.occurred_at - T0 if named else 0) + dice.randrange(HOUR)
        who, goal = dice.randrange(8), dice.choice(["sale", "lead"])
        log.conversions.append(conversion(number, at, named=named, who=who, goal=goal))
    return log


def records(events: Sequence[Event]) -> list[Record]:
    """Events as the loop hands them over."""
    return [
        Record(one.topic, 0, offset, one.key, b"", one.recorded_at, (), one)
        for offset, one in enumerate(events)
    ]


async def run(view: Catalog, log: Log, folder: Path) -> list[Event]:
    """Return what attribution publishes of a log: reports come first and are decided, and decided
    again when their clicks and flags come."""

    async def ends() -> Mapping[int, TouchEnds]:
        return {0: TouchEnds(len(log.clicks))}

    stage = AttributionStage(folder, Known(view), ends, POLICY)
    parts = [TopicPartition(topic, 0) for topic in stage.topics]
    await stage.assigned(parts)
    outputs: list[Event] = []
    for number, topic in enumerate((Conversion.topic, Click.topic, ClickFlag.topic)):
        batch, now = records(log.topic(topic)), Millis(T0 + HOUR + number * 3 * POLICY.wait_ms)
        outputs += await stage.process(batch, now)
        await stage.commit({TopicPartition(topic, 0): len(batch)}, now)
        outputs += await stage.process([], Millis(now + 2 * POLICY.wait_ms))
        await stage.commit({}, now)
    for _ in range(2):
        outputs += await stage.process([], NEVER)
        await stage.commit({}, NEVER)
    await stage.revoked(parts)
    return outputs


def ledger(view: Catalog, outputs: Sequence[Event]) -> list[Transfer]:
    """Return what fraud control and the ledger make of the decisions."""
    world, standings = World.of(view), dict[bytes, Standing]()
    transfers: list[Transfer] = []
    decisions = [one for one in outputs if isinstance(one, Decision)]
    for number, decision in enumerate(decisions):
        match process_decision(decision, view):
            case Emit((assessment,)):
                fact = Fact(Source(assessment.topic, 0, number), assessment)
                step = Step(0, number + 1, Millis(decision.recorded_at + number))
                result = take(step, [fact], standings, world)
                standings.update(result.standings)
                transfers += result.transfers
    return transfers


def entries(transfers: Sequence[Transfer]) -> list[LedgerEntry]:
    """Return transfers as the chained entries that are published."""
    head, found = Head(0), []
    for transfer in transfers:
        values, head = chained(head, transfer)
        found.append(LedgerEntry(**dict(zip(LedgerEntry.__struct_fields__, values, strict=True))))
    return found
