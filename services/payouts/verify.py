"""Proving the ledger: recomputed from the log, and equal to what PostgreSQL and Kafka hold."""

from __future__ import annotations

from collections import defaultdict

from msgspec import Struct

from afflux.kernel.events import LedgerEntry
from afflux.runtime.codec import Codec
from afflux.runtime.pg import connect_async
from afflux.runtime.settings import Settings
from services.payouts.domain.chain import Broken, Head, follow
from services.payouts.domain.digest import SetDigest, balances_digest, encode_transfer, fold
from services.payouts.process import TOPICS
from services.payouts.queries import audit
from services.payouts.queries.audit import PayoutRow, Recorded
from services.payouts.queries.rows import transfer_from
from services.payouts.queries.steps import Db
from services.payouts.replay import Replay, read_catalog, read_entries, replay_log

_MARK = 8
"""Bytes kept of each hash, to compare two copies of a chain."""


class Check(Struct, frozen=True):
    """One thing that must hold: the law it belongs to, what was expected and what was found."""

    name: str
    law: str
    expected: str
    actual: str

    @property
    def ok(self) -> bool:
        """Whether it holds."""
        return self.expected == self.actual


class Report(Struct, frozen=True):
    """All checks, the digests they compare, and totals for the conservation table.

    `totals` is (kind of entry, currency) -> (entries, sum of minor units); `statuses` is how many
    conversions stand where; `unpublished` how many entries the outbox still holds.
    """

    checks: list[Check]
    digests: dict[str, str]
    totals: dict[tuple[str, str], tuple[int, int]]
    statuses: dict[str, int]
    unpublished: int

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)


class Chains:
    """One copy of all chains: followed entry by entry, repeats allowed, the first break kept."""

    def __init__(self) -> None:
        self.heads: dict[int, Head] = {}
        self.marks: dict[int, bytearray] = defaultdict(bytearray)
        self.broken: Broken | None = None
        self.repeats = 0

    def take(self, entry: LedgerEntry) -> None:
        """Take the next entry of its chain."""
        head, marks = self.heads.get(entry.chain, Head(entry.chain)), self.marks[entry.chain]
        mark = entry.hash[:_MARK]
        if 0 < entry.sequence <= head.sequence:
            self.repeats += 1
            at = (entry.sequence - 1) * _MARK
            if marks[at : at + _MARK] != mark:
                self._break(Broken(entry.chain, entry.sequence, "repeated with another content"))
            return
        following = follow(head, entry)
        if isinstance(following, Broken):
            self._break(following)
            return
        self.heads[entry.chain] = following
        marks.extend(mark)

    def _break(self, broken: Broken) -> None:
        self.broken = self.broken or broken

    def verdict(self) -> str:
        """Return `whole`, or where the first break is."""
        found = self.broken
        if found is None:
            return "whole"
        return f"chain {found.chain} breaks at {found.sequence}: {found.problem}"


class Stored(Struct):
    """What PostgreSQL holds, read in one transaction."""

    steps: list[Recorded]
    positions: dict[int, tuple[int, int, int]]
    balances: dict[tuple[str, str], int]
    payouts: list[PayoutRow]
    published: dict[int, int]
    statuses: dict[str, int]
    excessive: int
    chains: Chains
    transfers: SetDigest
    standings: SetDigest
    folded: dict[tuple[str, str], int]
    totals: dict[tuple[str, str], tuple[int, int]]


async def verify_ledger(settings: Settings) -> Report:
    """Recompute the ledger from Kafka and compare it with PostgreSQL and payouts.commissions.

    May run beside a working pipeline: it compares one state of PostgreSQL with the part of the log
    that state was made from. Raises what Kafka or PostgreSQL raise when they do not answer.
    """
    codec = Codec.load()
    db: Db = await connect_async(settings.postgres)
    try:
        async with db.transaction():
            await audit.freeze(db)
            stored = await _read(db)
    finally:
        await db.close()
    replay = Replay(await read_catalog(settings, codec))
    missing = await replay_log(settings, codec, replay, stored.steps)
    for row in stored.payouts:
        replay.pay(row)
    topic = Chains()
    for entry in await read_entries(settings, codec):
        topic.take(entry)
    return _report(stored, replay, missing, topic)


async def _read(db: Db) -> Stored:
    stored = Stored(
        steps=await audit.recorded_steps(db),
        positions=await audit.positions(db),
        balances=await audit.balances(db),
        payouts=await audit.payout_rows(db),
        published=await audit.published(db),
        statuses=await audit.counts(db),
        excessive=await audit.excessive_reversals(db),
        chains=Chains(),
        transfers=SetDigest(),
        standings=SetDigest(),
        folded={},
        totals={},
    )
    async for number, entry in audit.entries(db):
        transfer = transfer_from(number, entry)
        stored.chains.take(entry)
        stored.transfers.add(encode_transfer(transfer))
        fold([transfer], stored.folded)
        what = (entry.kind, entry.currency)
        count, total = stored.totals.get(what, (0, 0))
        stored.totals[what] = (count + 1, total + entry.amount_minor)
    async for _, standing in audit.standings(db):
        stored.standings.add(standing)
    return stored


def _report(stored: Stored, replay: Replay, missing: int, topic: Chains) -> Report:
    digests = {
        "transfers": stored.transfers.text(),
        "balances": balances_digest(stored.balances),
        "standings": stored.standings.text(),
        "replayed transfers": replay.transfers.text(),
        "replayed balances": replay.balances_digest(),
        "replayed standings": replay.standings_digest(),
    }
    checks = [
        Check("steps follow each other", "L6", "whole", _gaps(stored)),
        Check("steps found in the log", "L4", "0 missing", f"{missing} missing"),
        *(
            Check(f"{name} recomputed", "L4", digests[f"replayed {name}"], digests[name])
            for name in ("transfers", "balances", "standings")
        ),
        Check("balances are the fold", "L4", balances_digest(stored.folded), digests["balances"]),
        Check("balances sum to zero", "L1", "0 in every currency", _zero_sum(stored.balances)),
        Check("reversals within entries", "L2", "0 over", f"{stored.excessive} over"),
        Check("chain in PostgreSQL", "L5", "whole", stored.chains.verdict()),
        Check("chain in Kafka", "L5", "whole", topic.verdict()),
        Check("Kafka holds what was sent", "L7", "all of it", _published(stored, topic)),
    ]
    sent = sum(stored.published.values())
    unpublished = sum(head.sequence for head in stored.chains.heads.values()) - sent
    return Report(checks, digests, stored.totals, stored.statuses, unpublished)


def _gaps(stored: Stored) -> str:
    """Tell whether steps are numbered without gaps and their offset ranges never overlap."""
    last: dict[int, tuple[int, int, int]] = {}
    for recorded in stored.steps:
        partition, number = recorded.step.partition, recorded.step.number
        before = last.get(partition, (0, 0, 0))
        starts = (recorded.assessments[0], recorded.adjustments[0])
        if number != before[0] + 1 or starts[0] < before[1] or starts[1] < before[2]:
            return f"step {number} of partition {partition} does not follow the one before"
        last[partition] = (number, recorded.assessments[1], recorded.adjustments[1])
    for partition, steps in last.items():
        if stored.positions[partition][0] != steps[0]:
            return f"partition {partition} of {', '.join(TOPICS)} lacks its last steps"
    return "whole"


def _zero_sum(balances: dict[tuple[str, str], int]) -> str:
    sums: dict[str, int] = {}
    for (_, currency), balance in balances.items():
        sums[currency] = sums.get(currency, 0) + balance
    off = {currency: total for currency, total in sums.items() if total}
    return f"off by {off}" if off else "0 in every currency"


def _published(stored: Stored, topic: Chains) -> str:
    for chain, sequence in stored.published.items():
        if len(topic.marks[chain]) < sequence * _MARK:
            return f"chain {chain} was sent up to {sequence} and is not there"
    for chain, marks in topic.marks.items():
        common = min(len(marks), len(stored.chains.marks[chain]))
        if marks[:common] != stored.chains.marks[chain][:common]:
            return f"chain {chain} differs from PostgreSQL"
    return "all of it"
