"""Journal records as Kafka records: the encoding that the edge leaves to the shipper."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.kernel.events import Event
from afflux.runtime.codec import Codec
from afflux.runtime.settings import Settings
from afflux.runtime.shipping import Parcel
from services.tracking.domain.agents import UNKNOWN, Classifier
from services.tracking.domain.entries import (
    TOPICS,
    ClickEntry,
    ImpressionEntry,
    Kind,
    decode,
    to_event,
)
from services.tracking.journal import StoredRecord
from services.tracking.visits import visit_encoders

Packed = dict[str, list[tuple[int, Parcel]]]
"""By topic, in the journal's order: position and Kafka record."""


class Packer:
    """Packs the records of one edge."""

    def __init__(self, settings: Settings, codec: Codec, classifier: Classifier) -> None:
        self._edge_id = settings.edge_id
        self._tenant_id = settings.tenant_id
        self._codec = codec
        encoders = visit_encoders(codec, settings.edge_id, settings.tenant_id, classifier.classify)
        self._click, self._view = encoders[ClickEntry], encoders[ImpressionEntry]

    def pack(self, records: Sequence[StoredRecord]) -> Packed:
        """Return the records as Kafka records."""
        packed: Packed = {topic: [] for topic in TOPICS.values()}
        clicks, views = packed[TOPICS[Kind.CLICK]], packed[TOPICS[Kind.IMPRESSION]]
        for record in records:
            entry, position = decode(record.payload), record.position
            if type(entry) is ClickEntry:
                value = self._click(entry, position)
                parcel = Parcel(entry.visitor_key, value, entry.received_at)
                clicks.append((position, parcel))
            elif type(entry) is ImpressionEntry:
                value = self._view(entry, position)
                parcel = Parcel(entry.visitor_key, value, entry.received_at)
                views.append((position, parcel))
            else:
                event = to_event(entry, position, self._edge_id, self._tenant_id, UNKNOWN)
                packed[event.topic].append((position, self._parcel(event)))
        return packed

    def _parcel(self, event: Event) -> Parcel:
        return Parcel(event.key, self._codec.encode(event), event.recorded_at)
