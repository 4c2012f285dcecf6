"""The monitor's process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

import faust

from afflux.kernel.events import Event
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.kafka_errors import KAFKA_TROUBLE
from afflux.runtime.log import get_logger
from afflux.runtime.log_reader import TopicPartition, end_offsets
from afflux.runtime.process import Runnable, run_workers
from afflux.runtime.producer import Publisher
from afflux.runtime.settings import Settings
from services.monitor.app import TOPICS, build_app
from services.monitor.domain.counts import DEAD_LETTERS, HOLDS, Counts
from services.monitor.domain.window import Limit
from services.monitor.feed import Feed

log = get_logger(__name__)
CHECK_S = 10.0
STALLED_CHECKS = 3
STOP_S = 6.0


class MonitorStopped(RuntimeError):
    """Faust crashed or stands still; a new process starts from the committed offsets."""


class Stall:
    """Faust's consumers can die without a word: see whether records come that nobody handles."""

    def __init__(self) -> None:
        self._ends: Mapping[TopicPartition, int] = {}
        self._handled = 0
        self._checks = 0

    def check(self, ends: Mapping[TopicPartition, int], handled: int) -> bool:
        """Return True when the topics grew and nothing was handled, three checks in a row."""
        grown = bool(self._ends) and ends != self._ends
        if handled != self._handled:
            self._checks = 0
        elif grown or self._checks:
            self._checks += 1
        self._ends, self._handled = ends, handled
        return self._checks >= STALLED_CHECKS


class Monitor:
    """Runs the Faust app until told to stop, or until it stands still."""

    name = "monitor"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._publisher = Publisher(settings, Codec.load(), self.name)
        self._feed = Feed(new_counts(settings), self._publish, now_ms)
        self._app: faust.App | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Run; raises MonitorStopped when Faust crashed or stands still."""
        (self._settings.home / "monitor").mkdir(parents=True, exist_ok=True)
        await self._publisher.start()
        app = self._app = build_app(self._settings, self._feed)
        try:
            app.finalize()
            await app.start()
            await self._watch(app, stop)
        finally:
            # Faust waits for its consumer and for the group; a process that leaves needs neither.
            with suppress(Exception):
                await asyncio.wait_for(app.stop(), STOP_S)
            await self._publisher.stop()

    def status(self) -> dict[str, object]:
        """Return whether Faust runs, and how much it has handled."""
        app = self._app
        healthy = bool(app is not None and app.started and not app.crashed)
        return {"healthy": healthy, "handled": self._feed.handled}

    async def _watch(self, app: faust.App, stop: asyncio.Event) -> None:
        stall = Stall()
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), CHECK_S)
            if app.crashed:
                raise MonitorStopped(f"Faust crashed: {app.crash_reason!r}")
            # Read before the ends: what is handled later shows in the next check.
            handled = self._feed.handled
            ends = {} if stop.is_set() else await self._ends()
            if ends and stall.check(ends, handled):
                raise MonitorStopped("records arrive and Faust hands none over")

    async def _ends(self) -> Mapping[TopicPartition, int]:
        try:
            return await asyncio.wait_for(end_offsets(self._settings, TOPICS), CHECK_S)
        except KAFKA_TROUBLE as error:
            log.warning("monitor_cannot_check", error=repr(error))
            return {}

    async def _publish(self, alerts: Sequence[Event]) -> None:
        bound = self._settings.send_timeout_s
        await asyncio.wait_for(self._publisher.publish(alerts), bound)


def new_counts(settings: Settings) -> Counts:
    """Return counts with the limits of the settings."""

    def limit(name: str, share: float) -> Limit:
        return Limit(name, share, settings.monitor_least, 1_000 * settings.monitor_window_s)

    return Counts(
        limit(HOLDS, settings.monitor_hold_share),
        limit(DEAD_LETTERS, settings.monitor_dead_letter_share),
    )


def build(settings: Settings) -> Sequence[Runnable]:
    """Return the monitor, ready to run."""
    return [Monitor(settings)]


def main(settings: Settings) -> None:
    """Own the process until SIGTERM."""
    run_workers([build], settings, Monitor.name)
