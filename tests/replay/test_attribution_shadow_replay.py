"""A trial run of another model has no effect on money: the same log, with and without it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path

import msgspec

from afflux.kernel.catalog import Catalog, CommissionRule, ModelTerms, Partner, ShadowModel, Terms
from afflux.kernel.events import (
    Click,
    ClickFlag,
    Conversion,
    Decision,
    Event,
    ShadowDecision,
)
from afflux.kernel.outcome import Emit
from afflux.kernel.types import Millis
from afflux.runtime.loop import TopicPartition
from afflux.runtime.record import Record
from services.attribution.stage import AttributionStage
from services.fraud.process import process_decision
from services.payouts.domain.accrual import World
from services.payouts.domain.digest import balances_digest, fold, transfers_digest
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
    """Return what attribution publishes of a log, topic by topic, then after all waits."""

    async def ends() -> Mapping[int, int]:
        return {0: len(log.clicks)}

    stage = AttributionStage(folder, Known(view), ends, POLICY)
    parts = [TopicPartition(topic, 0) for topic in stage.topics]
    await stage.assigned(parts)
    outputs: list[Event] = []
    for topic in (Conversion.topic, Click.topic, ClickFlag.topic):
        batch = records(log.topic(topic))
        outputs += await stage.process(batch, Millis(T0 + HOUR))
        await stage.commit({TopicPartition(topic, 0): len(batch)}, Millis(T0 + HOUR))
    for _ in range(2):
        outputs += await stage.process([], NEVER)
        await stage.commit({}, NEVER)
    await stage.revoked(parts)
    return outputs


def decisions_digest(outputs: Sequence[Event]) -> str:
    """Hash of every version of every decision, in the order of publication."""
    whole = blake2b(digest_size=16)
    for one in outputs:
        if isinstance(one, Decision):
            whole.update(one.conversion_key + one.event_id + bytes([one.version]))
    return whole.hexdigest()


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


async def test_trial_runs_change_no_decision_and_no_cent(tmp_path: Path) -> None:
    plain, tried = a_catalog(), a_catalog(*TRIALS)
    for seed in range(3):
        log = a_log(seed)
        without = await run(plain, log, tmp_path / f"without-{seed}")
        beside = await run(tried, log, tmp_path / f"with-{seed}")
        trials = [one for one in beside if isinstance(one, ShadowDecision)]
        assert {one.model for one in trials} == {"linear", "first", "time_decay", "position"}
        assert [one for one in beside if one not in trials] == without
        assert decisions_digest(beside) == decisions_digest(without)
        before, after = ledger(plain, without), ledger(tried, beside)
        assert len(before) > 50
        assert transfers_digest(after) == transfers_digest(before)
        assert balances_digest(fold(after)) == balances_digest(fold(before))


async def test_a_trial_says_something_of_every_version_and_only_of_its_offer_and_goal(
    tmp_path: Path,
) -> None:
    outputs = await run(a_catalog(*TRIALS), a_log(9), tmp_path)
    wanted = {
        (one.event_id, one.version, run.model.name)
        for one in outputs
        if isinstance(one, Decision)
        for run in TRIALS
        if run.offer_id == one.offer_id and run.goal in (None, one.goal)
    }
    trials = [one for one in outputs if isinstance(one, ShadowDecision)]
    assert {(one.decision_id, one.version, one.model) for one in trials} == wanted
    assert len({one.event_id for one in trials}) == len({(d, m) for d, _, m in wanted})
    for one in trials:
        assert sum(Fraction(s.numerator, s.denominator) for s in one.shares) in (0, 1)
        assert not any(s.click_id or s.clicked_at or s.sub for s in (*one.shares, *one.real_shares))


async def test_the_same_log_gives_the_same_trials(tmp_path: Path) -> None:
    view, log = a_catalog(*TRIALS), a_log(4)
    first, second = [await run(view, log, tmp_path / name) for name in ("a", "b")]
    assert first == second


async def test_a_trial_that_fails_stops_nothing(tmp_path: Path) -> None:
    broken = ModelTerms(name="position", first="no number")
    view = a_catalog(ShadowModel(offer_id=7, model=broken))
    log = a_log(5)
    without = await run(a_catalog(), log, tmp_path / "plain")
    beside = await run(view, log, tmp_path / "broken")
    assert [one for one in beside if isinstance(one, Decision)] == without
