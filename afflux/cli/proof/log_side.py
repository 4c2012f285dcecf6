"""What Kafka says: events counted once, repeats apart, amounts by currency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from afflux.kernel.events import (
    Adjustment,
    Assessment,
    Click,
    Conversion,
    Decision,
    Event,
    Impression,
    LedgerEntry,
    Rejection,
)
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import decoded, read_raw
from afflux.runtime.record import Record
from afflux.runtime.settings import Settings

IMPORTED = "import:"
"""Edge ids of imported events begin like this."""
NO_AMOUNT = ""
"""In place of the currency of a report without an order value."""
_TRACKED = (Click, Impression, Conversion, Adjustment, Rejection)
_TOPICS = [kind.topic for kind in (*_TRACKED, Decision, Assessment, LedgerEntry)]


Tracked = Click | Impression | Conversion | Adjustment | Rejection


class LogSide(Struct):
    """Counts of distinct events by topic, and sums of minor units by (what, currency).

    `damaged` are records that no reader can decode: they stand in the dead letters.
    """

    live: Counter[str]
    imported: Counter[str]
    repeats: Counter[str]
    damaged: Counter[str]
    keys: dict[str, set[bytes]]
    values: dict[str, dict[bytes, tuple[str, int]]]
    ledger: dict[int, LedgerEntry]
    money: Counter[tuple[str, str]]

    def amounts(self, topic: str) -> Counter[str]:
        """Return the order value of distinct conversions by currency, newest version each."""
        totals: Counter[str] = Counter()
        for currency, minor in self.values.get(topic, {}).values():
            totals[currency] += minor
        return totals


async def read_log(settings: Settings, codec: Codec) -> LogSide:
    """Read the topics of the money path from their beginnings to their ends as of now."""
    reader = _Reader()
    async for raws in read_raw(settings, _TOPICS):
        records = decoded(codec, raws)
        reader.side.damaged[raws[0].topic] += len(raws) - len(records)
        reader.take(records)
    return reader.side


class _Reader:
    """Tells first sights from repeats: an edge ships in order within a partition, so whatever is
    not behind the edge's last position there has been seen; this needs no set of ids."""

    def __init__(self) -> None:
        self.side = LogSide(Counter(), Counter(), Counter(), Counter(), {}, {}, {}, Counter())
        self._last: dict[tuple[str, int, str], int] = {}
        self._entries: set[bytes] = set()

    def take(self, records: Iterable[Record]) -> None:
        for record in records:
            match record.event:
                case Click() | Impression() | Conversion() | Adjustment() | Rejection() as event:
                    self._tracked(record, event)
                case Decision() | Assessment() as event:
                    self._decided(event)
                case LedgerEntry() as event:
                    self._transferred(event)

    def _tracked(self, record: Record, event: Tracked) -> None:
        place = (record.topic, record.partition, event.edge_id)
        if event.journal_position <= self._last.get(place, -1):
            self.side.repeats[record.topic] += 1
            return
        self._last[place] = event.journal_position
        where = self.side.imported if event.edge_id.startswith(IMPORTED) else self.side.live
        where[record.topic] += 1
        if isinstance(event, Conversion):
            first = self.side.values.setdefault(record.topic, {})
            first.setdefault(event.conversion_key, _value(event))
            self._key(event)

    def _decided(self, event: Decision | Assessment) -> None:
        decision = event if isinstance(event, Decision) else event.decision
        self.side.values.setdefault(event.topic, {})[event.conversion_key] = _value(decision)
        self._key(event)

    def _key(self, event: Event) -> None:
        key = event.conversion_key  # type: ignore[attr-defined]
        self.side.keys.setdefault(event.topic, set()).add(key)

    def _transferred(self, event: LedgerEntry) -> None:
        if event.event_id in self._entries:
            self.side.repeats[event.topic] += 1
            return
        self._entries.add(event.event_id)
        self.side.live[event.topic] += 1
        self.side.money[(account_class(event.credit), event.currency)] += event.amount_minor
        self.side.money[(account_class(event.debit), event.currency)] -= event.amount_minor


def account_class(account: str) -> str:
    """Return an account without its owner: `partner:7:pending` is `partner pending`."""
    parts = account.split(":")
    return f"{parts[0]} {parts[-1]}"


def _value(event: Conversion | Decision) -> tuple[str, int]:
    return event.currency or NO_AMOUNT, event.value_minor or 0
