"""What the real ledger posts for a seeded log, and what partners must have heard in the end."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from msgspec.structs import replace

from afflux.kernel.events import Adjustment, Assessment, Channel, LedgerEntry, Verdict
from afflux.kernel.types import Millis
from services.notify.domain.stories import KINDS
from services.payouts.domain.accounts import chain_of
from services.payouts.domain.transfers import Transfer
from tests.payouts_log import facts, run, steps

Owner = tuple[bytes, int]


def entries(transfers: Sequence[Transfer], chains: int = 2) -> list[LedgerEntry]:
    """Return transfers as the ledger publishes them, chained without hashes."""
    last: dict[int, int] = defaultdict(int)
    made = []
    for one in transfers:
        chain = chain_of(one.partner_id, chains)
        last[chain] += 1
        made.append(
            LedgerEntry(
                event_id=one.entry_id,
                occurred_at=one.occurred_at,
                recorded_at=one.recorded_at,
                chain=chain,
                sequence=last[chain],
                previous_hash=b"",
                hash=b"",
                kind=one.kind,
                debit=one.debit,
                credit=one.credit,
                amount_minor=one.amount,
                currency=one.currency,
                partner_id=one.partner_id,
                advertiser_id=one.advertiser_id,
                offer_id=one.offer_id,
                goal=one.goal,
                conversion_key=one.conversion_key,
                state_before=one.state_before,
                state_after=one.state_after,
                reason=one.reason,
                source_topic=one.source.topic,
                source_partition=one.source.partition,
                source_offset=one.source.offset,
            )
        )
    return made


def ledger_log(conversions: int, seed: int) -> tuple[list[Assessment], list[LedgerEntry]]:
    """Return assessments and what the ledger posts for them, with adjustments and time passing."""
    log: list[Assessment | Adjustment] = facts(conversions, seed)
    transfers, _ = run(list(steps(log, size=7, partitions=2)))
    return [event for event in log if isinstance(event, Assessment)], entries(transfers)


def interleaved(
    assessments: Sequence[Assessment], posted: Sequence[LedgerEntry], chance: random.Random
) -> list[Assessment | LedgerEntry]:
    """Mix the two topics any way, each in its own order; now and then a record comes again."""
    queues: list[list[Assessment | LedgerEntry]] = [list(assessments), list(posted)]
    mixed: list[Assessment | LedgerEntry] = []
    while any(queues):
        queue = chance.choice([queue for queue in queues if queue])
        mixed.append(queue.pop(0))
        if chance.random() < 0.1:
            mixed.append(chance.choice(mixed))
    return mixed


def reported(event: Assessment, at: int, channel: Channel) -> Assessment:
    """Return the assessment of the same conversion, reported at another time or in another way."""
    decision = replace(event.decision, reported_at=Millis(at), channel=channel)
    return replace(event, decision=decision)


def expected(
    assessments: Sequence[Assessment], posted: Sequence[LedgerEntry]
) -> dict[Owner, tuple[str, int]]:
    """Return what each partner must know in the end: the state and the payout. Worked out from
    the sums of the ledger and the last verdict, without the code under test."""
    held: dict[bytes, tuple[int, bool]] = {}
    bodies: dict[bytes, bytes] = {}
    for event in assessments:
        body = bodies.setdefault(event.conversion_key, event.decision.body_hash)
        version, _ = held.get(event.conversion_key, (0, False))
        if event.version > version and event.decision.body_hash == body:
            held[event.conversion_key] = event.version, event.verdict is Verdict.HOLD
    sums: dict[Owner, list[int]] = defaultdict(lambda: [0, 0])
    for entry in posted:
        if entry.kind not in KINDS or entry.conversion_key is None or entry.partner_id is None:
            continue
        pending, available = (
            f"partner:{entry.partner_id}:pending",
            f"partner:{entry.partner_id}:available",
        )
        balance = sums[entry.conversion_key, entry.partner_id]
        for place, account in enumerate((pending, available)):
            balance[place] += entry.amount_minor * (entry.credit == account)
            balance[place] -= entry.amount_minor * (entry.debit == account)
    return {
        owner: (_state(pending, available, held[owner[0]][1]), pending + available)
        for owner, (pending, available) in sums.items()
    }


def _state(pending: int, available: int, held: bool) -> str:
    if pending + available == 0:
        return "reversed"
    if held:
        return "held"
    return "accepted" if pending else "approved"
