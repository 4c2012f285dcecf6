"""Following the erasures: which visitors are to be forgotten, and since when."""

from __future__ import annotations

from afflux.kernel.events import Erasure
from afflux.kernel.types import Millis
from afflux.runtime.codec import Codec, Undecodable
from afflux.runtime.follower import Follower
from afflux.runtime.kafka_errors import KAFKA_TROUBLE
from afflux.runtime.log import get_logger
from afflux.runtime.settings import Settings

log = get_logger(__name__)
_LOOK_MS = 1_000


class ErasureFollower(Follower):
    """Reads `privacy.erasures` from its beginning and keeps reading.

    `view` has the instant each erased visitor was erased at: the first erasure's `recorded_at`, or
    when that was appended if it was late. About 150 bytes a visitor.
    """

    topic = Erasure.topic

    def __init__(self, settings: Settings, codec: Codec) -> None:
        super().__init__(settings)
        self.view: dict[bytes, Millis] = {}
        self._codec = codec
        self._looked_at = Millis(0)

    async def look(self, now: Millis) -> None:
        """Know new erasures although nothing else asks: once a second, if Kafka answers."""
        if now - self._looked_at < _LOOK_MS:
            return
        self._looked_at = now
        try:
            await self.sync(now)
        except KAFKA_TROUBLE as error:
            log.warning("erasures_not_followed", error=repr(error))

    def take(self, offset: int, value: bytes | None, appended_at: Millis) -> None:
        """Take one erasure; of two the earlier holds."""
        try:
            event = self._codec.decode(Erasure.topic, value)
        except Undecodable as error:
            log.error("erasure_unreadable", offset=offset, error=str(error))
            return
        assert isinstance(event, Erasure)
        self.view.setdefault(event.visitor_key, max(event.recorded_at, appended_at))
