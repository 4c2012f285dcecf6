"""Recomputing the ledger: the recorded steps over the log, through the same pure functions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import Adjustment, Assessment, CatalogChange, LedgerEntry
from afflux.kernel.types import Millis
from afflux.runtime.catalog_follower import as_known
from afflux.runtime.codec import Codec, Undecodable
from afflux.runtime.log_reader import read_raw
from afflux.runtime.loop import TopicPartition
from afflux.runtime.settings import Settings
from services.payouts.domain import payout as transitions
from services.payouts.domain.accrual import World
from services.payouts.domain.digest import SetDigest, balances_digest, encode_transfer, fold
from services.payouts.domain.facts import Source, Standing
from services.payouts.domain.payout import PayoutStatus
from services.payouts.domain.transfers import Transfer
from services.payouts.process import TOPICS, Fact, take
from services.payouts.queries.audit import PayoutRow, Recorded
from services.payouts.queries.rows import encode_standing


class Replay:
    """Standings, transfers and balances as recorded steps make them anew."""

    def __init__(self, catalog: Catalog) -> None:
        self.balances: dict[tuple[str, str], int] = {}
        self.transfers = SetDigest()
        self._world = World.of(catalog)
        self._standings: dict[bytes, Standing] = {}

    def take(self, recorded: Recorded, facts: Sequence[Fact]) -> None:
        """Take one recorded step with the records of its offset ranges."""
        result = take(recorded.step, facts, self._standings, self._world)
        self._standings.update(result.standings)
        self.post(result.transfers)

    def pay(self, row: PayoutRow) -> None:
        """Take the transfers of one payout: instructed, then paid or failed."""
        done = row.payout
        who = (done.partner_id, done.period, done.currency, done.amount)
        payout, first = transitions.instruct(*who, done.amount, row.instructed_at)
        self.post([first])
        if row.ended_at is not None:
            end = transitions.settle if done.status is PayoutStatus.PAID else transitions.fail
            self.post([end(payout, row.ended_at)[1]])

    def post(self, transfers: Sequence[Transfer]) -> None:
        """Add transfers to the digest and the balances."""
        fold(transfers, self.balances)
        for transfer in transfers:
            self.transfers.add(encode_transfer(transfer))

    def standings_digest(self) -> str:
        """Return the digest of every conversion's standing."""
        digest = SetDigest()
        for standing in self._standings.values():
            digest.add(encode_standing(standing))
        return digest.text()

    def balances_digest(self) -> str:
        """Return the digest of the balances."""
        return balances_digest(self.balances)


class Feed:
    """Hands a replay the records of each step, as soon as both topics were read far enough."""

    def __init__(self, replay: Replay, steps: Iterable[Recorded]) -> None:
        self._replay = replay
        self._steps: dict[int, deque[Recorded]] = {}
        self._facts: dict[tuple[str, int], deque[Fact]] = {}
        self._read: dict[tuple[str, int], int] = {}
        for recorded in steps:
            self._steps.setdefault(recorded.step.partition, deque()).append(recorded)

    @property
    def left(self) -> int:
        """How many steps have not been taken."""
        return sum(len(steps) for steps in self._steps.values())

    def read(self, topic: str, partition: int, facts: Iterable[Fact], next_offset: int) -> None:
        """Take records of one topic's partition up to `next_offset`, and the steps they allow."""
        self._facts.setdefault((topic, partition), deque()).extend(facts)
        self._read[topic, partition] = next_offset
        self.advance(partition)

    def advance(self, partition: int) -> None:
        """Take the steps of a partition that are covered."""
        steps = self._steps.get(partition, deque())
        while steps and self._covered(steps[0]):
            recorded = steps.popleft()
            facts = [fact for topic, end in _ends(recorded) for fact in self._upto(topic, end)]
            self._replay.take(recorded, facts)

    def _covered(self, recorded: Recorded) -> bool:
        return all(self._read.get(part, 0) >= end for part, end in _ends(recorded))

    def _upto(self, part: tuple[str, int], end: int) -> list[Fact]:
        facts, found = self._facts.get(part, deque()), []
        while facts and facts[0].source.offset < end:
            found.append(facts.popleft())
        return found


def _ends(recorded: Recorded) -> list[tuple[tuple[str, int], int]]:
    ranges = (recorded.assessments, recorded.adjustments)
    partition = recorded.step.partition
    return [((topic, partition), to) for topic, (_, to) in zip(TOPICS, ranges, strict=True)]


async def replay_log(
    settings: Settings, codec: Codec, replay: Replay, steps: list[Recorded]
) -> int:
    """Replay the steps over the log; return how many could not be, for want of records."""
    feed = Feed(replay, steps)
    ends: dict[TopicPartition, int] = {}
    for recorded in steps:
        for (topic, partition), end in _ends(recorded):
            part = TopicPartition(topic, partition)
            ends[part] = max(end, ends.get(part, 0))
    wanted = {part: end for part, end in ends.items() if end}
    if wanted:
        async for raws in read_raw(settings, TOPICS, end=wanted):
            topic, partition = raws[0].topic, raws[0].partition
            facts = [
                Fact(Source(topic, partition, raw.offset), event)
                for raw, event in zip(raws, _decode(codec, topic, raws), strict=True)
                if isinstance(event, Assessment | Adjustment)
            ]
            feed.read(topic, partition, facts, raws[-1].offset + 1)
    for partition in {recorded.step.partition for recorded in steps}:
        feed.advance(partition)
    return feed.left


async def read_catalog(settings: Settings, codec: Codec) -> Catalog:
    """Return the whole catalogue from its topic."""
    catalog = Catalog()
    async for raws in read_raw(settings, [CatalogChange.topic]):
        for raw, event in zip(raws, _decode(codec, CatalogChange.topic, raws), strict=True):
            if isinstance(event, CatalogChange):
                catalog.apply(as_known(event, Millis(raw.timestamp)))
    return catalog


async def read_entries(settings: Settings, codec: Codec) -> list[LedgerEntry]:
    """Return what was published to payouts.commissions, in the order of each partition."""
    found: list[LedgerEntry] = []
    async for raws in read_raw(settings, [LedgerEntry.topic]):
        decoded = _decode(codec, LedgerEntry.topic, raws)
        found += [event for event in decoded if isinstance(event, LedgerEntry)]
    return found


def _decode(codec: Codec, topic: str, raws: Sequence[object]) -> Sequence[object]:
    values = [getattr(raw, "value", None) for raw in raws]
    keys = [getattr(raw, "key", None) for raw in raws]
    return [
        None if isinstance(event, Undecodable) else event
        for event in codec.decode_batch(topic, values, keys)
    ]
