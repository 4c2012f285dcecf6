"""The erasures as attribution follows them, and the ends of the log it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from afflux.kernel.events import Click, ClickFlag, Conversion, Impression, Redecision
from afflux.kernel.types import Millis
from afflux.runtime.codec import Codec
from afflux.runtime.erasure_follower import ErasureFollower
from afflux.runtime.kafka_errors import KAFKA_TROUBLE
from afflux.runtime.log import get_logger
from afflux.runtime.log_reader import TopicPartition, end_offsets
from afflux.runtime.settings import Settings
from services.attribution.domain.erasing import Ends

log = get_logger(__name__)
_ATTEMPTS = 20
_RETRY_S = 0.5
_TOPICS = (Click.topic, ClickFlag.topic, Conversion.topic, Redecision.topic, Impression.topic)


class ErasureLog:
    """Follows `privacy.erasures` as long as attribution runs."""

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self._settings = settings
        self._follower = ErasureFollower(settings, codec)

    @property
    def view(self) -> Mapping[bytes, Millis]:
        """Instant of the erasure by visitor; it grows."""
        return self._follower.view

    async def start(self) -> None:
        """Connect and read all erasures; raises KafkaError when Kafka does not answer."""
        await self._follower.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._follower.stop()

    async def sync(self, known_at: Millis) -> None:
        """Know every erasure up to `known_at`; outlasts a broker that is away for some seconds.

        Raises what Kafka said last when it does not come back.
        """
        for attempt in range(_ATTEMPTS):
            try:
                await self._follower.sync(known_at)
                return
            except KAFKA_TROUBLE as error:
                if attempt == _ATTEMPTS - 1:
                    raise
                log.warning("erasures_not_followed", error=repr(error))
                await asyncio.sleep(_RETRY_S)

    async def look(self, now: Millis) -> None:
        """Know new erasures although no records come: once a second, if Kafka answers."""
        await self._follower.look(now)

    async def ends(self) -> Mapping[int, Ends]:
        """Return the ends of the topics by partition as of now; none if Kafka is away."""
        bound = self._settings.send_timeout_s
        try:
            found = await asyncio.wait_for(end_offsets(self._settings, _TOPICS), bound)
        except KAFKA_TROUBLE as error:
            log.warning("ends_not_known", error=repr(error))
            return {}
        numbers = sorted({part.partition for part in found})
        return {
            number: Ends(*(found.get(TopicPartition(topic, number), 0) for topic in _TOPICS))
            for number in numbers
        }
