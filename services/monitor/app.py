"""The Faust app: two agents and a web view.

Within the limits of what Faust 0.15 can be trusted with: no tables, no take(), no exactly-once,
one handler at a time, handlers that never raise. Nothing in the money path reads what it writes.
"""

from __future__ import annotations

import faust
from faust.web import Request, Response, View

from afflux.kernel.events import Assessment, DeadLetterRecord
from afflux.runtime.settings import Settings
from services.monitor.feed import Feed

TOPICS = (Assessment.topic, DeadLetterRecord.topic)


def build_app(settings: Settings, feed: Feed) -> faust.App:
    """Return the app, not started; call it inside the event loop that will run it."""
    app = faust.App(
        "afflux.monitor",
        broker=[f"kafka://{server.strip()}" for server in settings.kafka.split(",")],
        datadir=str(settings.home / "monitor"),
        store="memory://",
        # A new group counts all there is; a restarted monitor goes on where it was, from zero.
        consumer_auto_offset_reset="earliest",
        processing_guarantee="at_least_once",
        topic_allow_declare=False,
        topic_disable_leader=True,
        autodiscover=False,
        web_bind=settings.admin_host,
        web_host=settings.admin_host,
        web_port=settings.monitor_port,
        web_in_thread=False,
        broker_session_timeout=10,
        broker_heartbeat_interval=2,
        stream_wait_empty=False,
    )
    for topic in TOPICS:
        add_agent(app, topic, feed)
    add_views(app, feed)
    return app


def add_agent(app: faust.App, topic: str, feed: Feed) -> None:
    """Add the agent of one topic: raw bytes in, one at a time."""

    async def handle(stream: faust.StreamT[bytes]) -> None:
        async for value in stream:
            await feed.take(topic, value)

    source = app.topic(
        topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )
    app.agent(source, name=f"monitor-{topic}", concurrency=1)(handle)


def add_views(app: faust.App, feed: Feed) -> None:
    """Add GET /counts and GET /healthz."""

    async def counts(view: View, request: Request) -> Response:
        return view.json({"handled": feed.handled, **feed.counts.view()})

    async def healthz(view: View, request: Request) -> Response:
        healthy = bool(app.started and not app.crashed)
        return view.json({"healthy": healthy}, status=200 if healthy else 503)

    app.page("/counts", name="counts")(counts)
    app.page("/healthz", name="healthz")(healthz)
