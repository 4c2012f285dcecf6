"""Journal records as Kafka records: the encoding that the edge leaves to the shipper."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from afflux.runtime.codec import Codec
from afflux.runtime.settings import Settings
from afflux.runtime.shipping import Parcel
from services.tracking.domain.agents import UNKNOWN, Classifier
from services.tracking.domain.blocks import CLICK_TAG, VIEW_TAG, read_row
from services.tracking.domain.entries import TOPICS, Kind, decode, to_event
from services.tracking.journal import JournalDamaged, StoredRecord
from services.tracking.visits import visit_encoders

Packed = dict[str, tuple[list[int], list[Parcel]]]
"""By topic, in the journal's order: positions, and the Kafka records beside them. Pairs would be
thousands of objects for the garbage collector to look at."""


class Packer:
    """Packs the records of one edge."""

    def __init__(self, settings: Settings, codec: Codec, classifier: Classifier) -> None:
        self._edge_id = settings.edge_id
        self._tenant_id = settings.tenant_id
        self._codec = codec
        encoders = visit_encoders(codec, settings.edge_id, settings.tenant_id, classifier.classify)
        self._visits = {
            int(Kind.CLICK): (TOPICS[Kind.CLICK], encoders[CLICK_TAG]),
            int(Kind.IMPRESSION): (TOPICS[Kind.IMPRESSION], encoders[VIEW_TAG]),
        }

    def pack(self, records: Sequence[StoredRecord]) -> Packed:
        """Return the records as Kafka records.

        Errors: JournalDamaged for a record that is none of ours although its checksum is right.
        """
        packed: Packed = {topic: ([], []) for topic in TOPICS.values()}
        visits = {kind: (way, *packed[topic]) for kind, (topic, way) in self._visits.items()}
        for record in records:
            visit = visits.get(record.kind)
            try:
                if visit is None:
                    self._report(record, packed)
                else:
                    encode, places, parcels = visit
                    row = read_row(record.payload)
                    parcels.append(Parcel(row[2], encode(row, record.position), row[5]))
                    places.append(record.position)
            except (msgspec.MsgspecError, ValueError, IndexError) as error:
                raise JournalDamaged(
                    f"nobody can read the record at position {record.position}: {error}"
                ) from error
        return packed

    def _report(self, record: StoredRecord, packed: Packed) -> None:
        """Pack what is neither click nor view."""
        entry, position = decode(record.payload), record.position
        event = to_event(entry, position, self._edge_id, self._tenant_id, UNKNOWN)
        places, parcels = packed[event.topic]
        parcels.append(Parcel(event.key, self._codec.encode(event), event.recorded_at))
        places.append(position)
