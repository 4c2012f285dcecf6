"""What a partition keeps for ever of a conversion: its last word, and what a person wished."""

from __future__ import annotations

from afflux.kernel.types import Millis
from services.attribution import last_rows, rows
from services.attribution.last_rows import Last
from services.attribution.overlay import Overlay
from services.attribution.rows import Open


class Lasting:
    """Small rows beside the state's, committed with them."""

    def __init__(self, table: Overlay) -> None:
        self._rows = table

    def finish(self, opened: Open) -> None:
        """Keep the last word on a conversion that only a person can change any more."""
        assert opened.decision_id is not None  # nothing is finished before it is decided
        report = opened.conversion
        row = last_rows.pack_known(
            report.body_hash, opened.version, opened.epoch, opened.decision_id
        )
        self._rows.put(rows.known_key(report.conversion_key), row)

    def last(self, conversion_key: bytes) -> Last:
        """Return the last word on a finished conversion."""
        return last_rows.unpack_last(self._rows.get(rows.known_key(conversion_key)))

    def wish(self, conversion_key: bytes) -> Millis:
        """Return the latest knowledge that a person wants it decided with, 0 for none."""
        return last_rows.unpack_instant(self._rows.get(last_rows.wish_key(conversion_key)))

    def set_wish(self, conversion_key: bytes, known_at: Millis) -> None:
        """Keep with which knowledge a conversion is to be decided from now on."""
        self._rows.put(last_rows.wish_key(conversion_key), last_rows.pack_instant(known_at))
