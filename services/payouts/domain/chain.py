"""The hash chain over the entries of one partition of payouts.commissions (law L5).

hash = BLAKE2b-256(previous hash || canonical content), personalised `afflux-ledger`. The canonical
content is a compact JSON array of the entry's fields in the order of its schema, without
`previous_hash` and `hash`; bytes are lower-case hexadecimal, absent values null. The first entry of
a chain has sequence 1 and 32 zero bytes before it.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from msgspec import Struct

from afflux.kernel.events import LedgerEntry
from services.payouts.domain.transfers import Transfer

GENESIS = bytes(32)
_PERSON = b"afflux-ledger"
_CONTENT = tuple(
    name for name in LedgerEntry.__struct_fields__ if name not in ("previous_hash", "hash")
)
_encode = msgspec.json.Encoder().encode


class Head(Struct, frozen=True):
    """The last entry of a chain; sequence 0 when it has none."""

    chain: int
    sequence: int = 0
    hash: bytes = GENESIS


def canonical(entry: LedgerEntry) -> bytes:
    """Return the bytes that an entry's hash covers."""
    values = (getattr(entry, name) for name in _CONTENT)
    return _encode([v.hex() if isinstance(v, bytes) else v for v in values])


def entry_hash(previous: bytes, entry: LedgerEntry) -> bytes:
    """Return the hash of an entry behind the one with hash `previous`."""
    return blake2b(previous + canonical(entry), digest_size=32, person=_PERSON).digest()


def chained(head: Head, transfer: Transfer) -> tuple[LedgerEntry, Head]:
    """Return the transfer as the next entry of a chain, and the chain's new head."""
    bare = entry_of(transfer, head.chain, head.sequence + 1, head.hash)
    digest = entry_hash(head.hash, bare)
    entry = msgspec.structs.replace(bare, hash=digest)
    return entry, Head(head.chain, entry.sequence, digest)


def entry_of(transfer: Transfer, chain: int, sequence: int, previous: bytes) -> LedgerEntry:
    """Return the published form of a transfer, without its hash."""
    terms, source = transfer.terms, transfer.source
    return LedgerEntry(
        event_id=transfer.entry_id,
        occurred_at=transfer.occurred_at,
        recorded_at=transfer.recorded_at,
        chain=chain,
        sequence=sequence,
        previous_hash=previous,
        hash=b"",
        kind=transfer.kind,
        debit=transfer.debit,
        credit=transfer.credit,
        amount_minor=transfer.amount,
        currency=transfer.currency,
        partner_id=transfer.partner_id,
        advertiser_id=transfer.advertiser_id,
        offer_id=transfer.offer_id,
        goal=transfer.goal,
        conversion_key=transfer.conversion_key,
        payout_id=transfer.payout_id,
        converted_at=transfer.converted_at,
        rule_id=terms.rule_id,
        rule_version=terms.rule_version,
        decision_version=transfer.decision_version,
        assessment_version=transfer.assessment_version,
        fx_rate=terms.fx_rate,
        fx_version=terms.fx_version,
        state_before=transfer.state_before,
        state_after=transfer.state_after,
        reason=transfer.reason,
        corrects=transfer.corrects,
        source_topic=source.topic,
        source_partition=source.partition,
        source_offset=source.offset,
    )


class Broken(Struct, frozen=True):
    """Where a chain does not hold, and how."""

    chain: int
    sequence: int
    problem: str


def follow(head: Head, entry: LedgerEntry) -> Head | Broken:
    """Return the head behind `entry`, or how it breaks the chain: gap, previous hash, or hash."""
    if entry.sequence != head.sequence + 1:
        return Broken(head.chain, entry.sequence, f"expected sequence {head.sequence + 1}")
    if entry.previous_hash != head.hash:
        return Broken(head.chain, entry.sequence, "names another previous entry")
    if entry.hash != entry_hash(head.hash, entry):
        return Broken(head.chain, entry.sequence, "its content does not give its hash")
    return Head(head.chain, entry.sequence, entry.hash)
