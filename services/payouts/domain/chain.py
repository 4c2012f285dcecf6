"""The hash chain over the entries of one partition of payouts.commissions (law L5).

hash = BLAKE2b-256(previous hash || canonical content), personalised `afflux-ledger`. The canonical
content is a compact JSON array of the entry's fields in the order of its schema, without
`previous_hash` and `hash`; bytes are base64, absent values null. The first entry of a chain has
sequence 1 and 32 zero bytes before it.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from msgspec import Struct

from afflux.kernel.events import LedgerEntry
from services.payouts.domain.transfers import Transfer

GENESIS = bytes(32)
_PERSON = b"afflux-ledger"
_LINKS = LedgerEntry.__struct_fields__.index("previous_hash")
_encode = msgspec.json.Encoder().encode

Values = tuple[object, ...]
"""The fields of a LedgerEntry, in the order of its schema."""


class Head(Struct, frozen=True):
    """The last entry of a chain; sequence 0 when it has none."""

    chain: int
    sequence: int = 0
    hash: bytes = GENESIS


def canonical(entry: LedgerEntry) -> bytes:
    """Return the bytes that an entry's hash covers."""
    values = msgspec.structs.astuple(entry)
    return _encode(values[:_LINKS] + values[_LINKS + 2 :])


def entry_hash(previous: bytes, content: bytes) -> bytes:
    """Return the hash of canonical content behind the entry with hash `previous`."""
    return blake2b(previous + content, digest_size=32, person=_PERSON).digest()


def chained(head: Head, transfer: Transfer) -> tuple[Values, Head]:
    """Return the transfer as the values of the next entry of a chain, and the chain's new head."""
    before = _before_links(transfer, head.chain, head.sequence + 1)
    after = _after_links(transfer)
    digest = entry_hash(head.hash, _encode(before + after))
    values = (*before, head.hash, digest, *after)
    return values, Head(head.chain, head.sequence + 1, digest)


def _before_links(transfer: Transfer, chain: int, sequence: int) -> Values:
    """The fields of an entry up to its sequence; everything belongs to tenant 0."""
    return (
        transfer.entry_id,
        transfer.occurred_at,
        transfer.recorded_at,
        0,
        chain,
        sequence,
    )


def _after_links(transfer: Transfer) -> Values:
    """The fields of an entry behind its hash."""
    terms, source = transfer.terms, transfer.source
    return (
        transfer.kind,
        transfer.debit,
        transfer.credit,
        transfer.amount,
        transfer.currency,
        transfer.partner_id,
        transfer.advertiser_id,
        transfer.offer_id,
        transfer.goal,
        transfer.conversion_key,
        transfer.payout_id,
        transfer.converted_at,
        terms.rule_id,
        terms.rule_version,
        transfer.decision_version,
        transfer.assessment_version,
        terms.fx_rate,
        terms.fx_version,
        transfer.state_before,
        transfer.state_after,
        transfer.reason,
        transfer.corrects,
        source.topic,
        source.partition,
        source.offset,
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
    if entry.hash != entry_hash(head.hash, canonical(entry)):
        return Broken(head.chain, entry.sequence, "its content does not give its hash")
    return Head(head.chain, entry.sequence, entry.hash)
