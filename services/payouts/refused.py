"""Dead letters of what the ledger refuses, with the original bytes (law S1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from afflux.kernel.events import DeadLetterRecord
from afflux.runtime.codec import Codec
from afflux.runtime.deadletters import dead_letter
from afflux.runtime.loop import Record
from services.payouts.domain.facts import Source
from services.payouts.domain.settlement import Refusal


@dataclass(frozen=True, slots=True)
class Restored:
    """A record that was parked in state, encoded again: the codec is deterministic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


def letters(
    refusals: Sequence[Refusal], records: Sequence[Record], codec: Codec
) -> list[DeadLetterRecord]:
    """Return the dead letter of each refusal; one that was parked is not among `records`."""
    here = {Source(r.topic, r.partition, r.offset): r for r in records}
    return [
        dead_letter(
            here.get(refusal.source) or _restored(refusal, codec),
            "payouts",
            refusal.reason,
            refusal.detail,
        )
        for refusal in refusals
    ]


def _restored(refusal: Refusal, codec: Codec) -> Restored:
    source, event = refusal.source, refusal.event
    where = (source.topic, source.partition, source.offset)
    return Restored(*where, event.key, codec.encode(event), event.recorded_at)
