"""Journal records as Kafka records: the encoding that the edge leaves to the shipper."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.kernel.events import Event
from afflux.runtime.codec import Codec
from afflux.runtime.settings import Settings
from afflux.runtime.shipping import Parcel
from services.tracking.domain.agents import UNKNOWN, Classifier
from services.tracking.domain.blocks import CLICK_TAG, VIEW_TAG, read_row
from services.tracking.domain.entries import TOPICS, Kind, decode, to_event
from services.tracking.journal import StoredRecord
from services.tracking.visits import visit_encoders

_CLICK, _VIEW = int(Kind.CLICK), int(Kind.IMPRESSION)
Packed = dict[str, list[tuple[int, Parcel]]]
"""By topic, in the journal's order: position and Kafka record."""


class Packer:
    """Packs the records of one edge."""

    def __init__(self, settings: Settings, codec: Codec, classifier: Classifier) -> None:
        self._edge_id = settings.edge_id
        self._tenant_id = settings.tenant_id
        self._codec = codec
        encoders = visit_encoders(codec, settings.edge_id, settings.tenant_id, classifier.classify)
        self._click, self._view = encoders[CLICK_TAG], encoders[VIEW_TAG]

    def pack(self, records: Sequence[StoredRecord]) -> Packed:
        """Return the records as Kafka records."""
        packed: Packed = {topic: [] for topic in TOPICS.values()}
        clicks, views = packed[TOPICS[Kind.CLICK]], packed[TOPICS[Kind.IMPRESSION]]
        click, view, click_kind, view_kind = self._click, self._view, _CLICK, _VIEW
        for position, kind, payload in records:
            if kind == click_kind:
                row = read_row(payload)
                clicks.append((position, Parcel(row[2], click(row, position), row[5])))
            elif kind == view_kind:
                row = read_row(payload)
                views.append((position, Parcel(row[2], view(row, position), row[5])))
            else:
                event = to_event(decode(payload), position, self._edge_id, self._tenant_id, UNKNOWN)
                packed[event.topic].append((position, self._parcel(event)))
        return packed

    def _parcel(self, event: Event) -> Parcel:
        return Parcel(event.key, self._codec.encode(event), event.recorded_at)
