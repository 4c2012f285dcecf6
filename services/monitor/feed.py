"""Records in, counts and alerts out; never raises.

Faust acks an event whose handler failed and may lose what follows, so nothing here fails: what
cannot be read is counted, what cannot be published is logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from afflux.kernel.events import Alert, Assessment, DeadLetterRecord, Event
from afflux.kernel.types import Millis
from afflux.runtime.codec import Codec, Undecodable
from afflux.runtime.log import get_logger
from services.monitor.domain.counts import Counts

log = get_logger(__name__)
Publish = Callable[[Sequence[Event]], Awaitable[None]]


class Feed:
    """Turns the values of the monitor's topics into counts and alerts."""

    def __init__(self, counts: Counts, publish: Publish, clock: Callable[[], Millis]) -> None:
        self.counts = counts
        self.handled = 0
        self._codec = Codec.load()
        self._publish = publish
        self._clock = clock

    async def take(self, topic: str, value: bytes | None) -> None:
        """Count one record and publish the alerts it leads to."""
        try:
            event = self._codec.decode(topic, value)
        except Undecodable as error:
            self.counts.unread(topic)
            log.warning("monitor_unreadable", topic=topic, reason=error.reason)
        else:
            await self._warn(self._alerts(event))
        finally:
            self.handled += 1

    def _alerts(self, event: Event) -> list[Alert]:
        match event:
            case Assessment():
                return self.counts.assessment(event, self._clock())
            case DeadLetterRecord():
                return self.counts.dead_letter(event, self._clock())
            case _:
                return []

    async def _warn(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            log.warning("alert", subject=alert.subject, name=alert.name, text=alert.text)
        if not alerts:
            return
        try:
            await self._publish(alerts)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - an alert is not worth the monitor's life
            log.error("alert_not_published", alerts=len(alerts), error=repr(error))
