"""One step of the ledger: facts in log order and the clock in, new standings and transfers out.

Pure. A recorded step (which records, which conversions the clock woke, at which instant) gives the
same transfers whenever it is replayed with the same log and catalogue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from afflux.kernel.events import Adjustment, Assessment
from afflux.kernel.types import Millis
from services.payouts.domain.accrual import World
from services.payouts.domain.facts import CLOCK, Source, Standing
from services.payouts.domain.settlement import Refusal, Settled, adjust, assess, wake
from services.payouts.domain.transfers import Transfer

TOPICS = (Assessment.topic, Adjustment.topic)
"""Within a step the records of these topics are taken in this order, each by offset."""


class Fact(Struct, frozen=True):
    """One record of the log."""

    source: Source
    event: Assessment | Adjustment


class Step(Struct, frozen=True):
    """All that decides the outcome of a step, but for the log, the standings, the catalogue."""

    partition: int
    number: int
    as_of: Millis
    woken: tuple[bytes, ...] = ()


class StepResult(Struct, frozen=True):
    """Touched standings by key, transfers in order, refusals, and how many were dropped why."""

    standings: dict[bytes, Standing]
    transfers: list[Transfer]
    refusals: list[Refusal]
    dropped: Counter[str]


def in_order(facts: Sequence[Fact]) -> list[Fact]:
    """Return the facts of one partition in the order of a step."""
    return sorted(facts, key=lambda fact: (TOPICS.index(fact.source.topic), fact.source.offset))


def touched(facts: Sequence[Fact], step: Step) -> list[bytes]:
    """Return the keys of the conversions a step looks at, each once."""
    keys = [fact.event.conversion_key for fact in facts]
    return list(dict.fromkeys([*keys, *step.woken]))


def take(
    step: Step, facts: Sequence[Fact], standings: Mapping[bytes, Standing], world: World
) -> StepResult:
    """Take one step: the facts first, in order, then the conversions the clock wakes."""
    after: dict[bytes, Standing] = {}
    result = StepResult(after, [], [], Counter())
    for fact in in_order(facts):
        key = fact.event.conversion_key
        standing = after.get(key) or standings.get(key) or Standing(key)
        _collect(result, _apply(standing, fact, world, step.as_of))
    clock = Source(CLOCK, step.partition, step.number)
    for key in step.woken:
        known = after.get(key) or standings.get(key)
        if known is not None:
            _collect(result, wake(known, clock, world, step.as_of))
    return result


def _apply(standing: Standing, fact: Fact, world: World, as_of: Millis) -> Settled:
    match fact.event:
        case Assessment():
            return assess(standing, fact.event, fact.source, world, as_of)
        case Adjustment():
            return adjust(standing, fact.event, fact.source, world, as_of)


def _collect(result: StepResult, settled: Settled) -> None:
    result.standings[settled.standing.key] = settled.standing
    result.transfers.extend(settled.transfers)
    result.refusals.extend(settled.refusals)
    if settled.dropped:
        result.dropped[settled.dropped] += 1
