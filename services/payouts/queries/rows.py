"""Between the ledger's structs and the rows of its tables."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from afflux.kernel.events import LedgerEntry
from services.payouts.domain.chain import Values
from services.payouts.domain.facts import Source, Standing, Terms
from services.payouts.domain.transfers import Transfer

ENTRY_FIELDS: tuple[str, ...] = LedgerEntry.__struct_fields__
ENTRY_COLUMNS = ("subject", "number", *ENTRY_FIELDS)
_TYPES = {
    **dict.fromkeys("subject event_id previous_hash hash corrects".split(), "bytea"),
    **dict.fromkeys("conversion_key payout_id".split(), "bytea"),
    **dict.fromkeys("occurred_at recorded_at converted_at sequence".split(), "int8"),
    **dict.fromkeys("amount_minor partner_id advertiser_id offer_id source_offset".split(), "int8"),
    **dict.fromkeys("number tenant_id chain rule_version decision_version".split(), "int4"),
    **dict.fromkeys("assessment_version fx_version source_partition".split(), "int4"),
}
ENTRY_TYPES = [_TYPES.get(name, "text") for name in ENTRY_COLUMNS]
CONVERSION_COLUMNS = ("key", "partition", "status", "waiting", "due_at", "standing")
CONVERSION_TYPES = ["bytea", "int4", "text", "text", "int8", "bytea"]

Row = tuple[Any, ...]
_standing_decoder = msgspec.msgpack.Decoder(Standing)
_encode = msgspec.msgpack.Encoder().encode


def entry_row(transfer: Transfer, values: Values) -> Row:
    """Return the chained values of a transfer as a row of ENTRY_COLUMNS."""
    return (transfer.conversion_key or transfer.payout_id, transfer.number, *values)


def entry_from(values: Row) -> LedgerEntry:
    """Return the entry of a row of ENTRY_FIELDS."""
    return LedgerEntry(**dict(zip(ENTRY_FIELDS, values, strict=True)))


def transfer_from(number: int, entry: LedgerEntry) -> Transfer:
    """Return the transfer that an entry was chained from."""
    return Transfer(
        entry_id=entry.event_id,
        number=number,
        kind=entry.kind,
        debit=entry.debit,
        credit=entry.credit,
        amount=entry.amount_minor,
        currency=entry.currency,
        occurred_at=entry.occurred_at,
        recorded_at=entry.recorded_at,
        state_before=entry.state_before,
        state_after=entry.state_after,
        reason=entry.reason,
        source=Source(entry.source_topic, entry.source_partition, entry.source_offset),
        partner_id=entry.partner_id or 0,
        advertiser_id=entry.advertiser_id,
        offer_id=entry.offer_id,
        goal=entry.goal,
        conversion_key=entry.conversion_key,
        payout_id=entry.payout_id,
        converted_at=entry.converted_at,
        terms=Terms(entry.rule_id, entry.rule_version, entry.fx_rate, entry.fx_version),
        decision_version=entry.decision_version,
        assessment_version=entry.assessment_version,
        corrects=entry.corrects,
    )


def conversion_row(partition: int, standing: Standing) -> Row:
    """Return a standing as a row of CONVERSION_COLUMNS."""
    return (
        standing.key,
        partition,
        standing.status,
        standing.waiting,
        standing.due_at,
        encode_standing(standing),
    )


def encode_standing(standing: Standing) -> bytes:
    """Return the stored form of a standing."""
    return _encode(standing)


def decode_standing(data: object) -> Standing:
    """Return the standing of its stored form."""
    return _standing_decoder.decode(cast(bytes, data))


def keys_of(packed: bytes) -> tuple[bytes, ...]:
    """Return the 16-byte keys that stand in a row."""
    return tuple(packed[at : at + 16] for at in range(0, len(packed), 16))
