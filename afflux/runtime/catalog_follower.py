"""Following the catalogue: a view that holds every change recorded up to an instant (law A2)."""

from __future__ import annotations

from typing import Protocol

import msgspec
from msgspec.structs import replace

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import CatalogChange
from afflux.kernel.types import Millis
from afflux.runtime.codec import Codec, Undecodable
from afflux.runtime.follower import Follower
from afflux.runtime.log import get_logger
from afflux.runtime.settings import Settings

log = get_logger(__name__)


class CatalogSource(Protocol):
    """A catalogue that can be brought up to an instant."""

    @property
    def view(self) -> Catalog: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def sync(self, known_at: Millis) -> Millis: ...


def as_known(change: CatalogChange, appended_at: Millis) -> CatalogChange:
    """Return the change as known from when it really was.

    The topic's timestamps are the broker's (LogAppendTime). A change whose publication was late
    stands in the log after the instant it claims; nobody knew it before it was appended.
    """
    return replace(change, recorded_at=max(change.recorded_at, appended_at))


class CatalogFollower(Follower):
    """Reads `catalog.changes` from its beginning and keeps reading.

    A change is published before the instant it is recorded at (`catalog_lead_ms` ahead).
    """

    topic = CatalogChange.topic

    def __init__(self, settings: Settings, codec: Codec) -> None:
        super().__init__(settings)
        self.view = Catalog()
        self._codec = codec

    def take(self, offset: int, value: bytes | None, appended_at: Millis) -> None:
        """Take one change."""
        try:
            event = self._codec.decode(CatalogChange.topic, value)
            assert isinstance(event, CatalogChange)
            self.view.apply(as_known(event, appended_at))
        except (Undecodable, ValueError, msgspec.MsgspecError) as error:
            # It never passed `afflux catalog apply`; the sink keeps its bytes for people to see.
            log.error("catalog_change_unreadable", offset=offset, error=str(error))
