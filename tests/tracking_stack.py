"""An edge and a shipper on real engines, for the tests of tracking."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from afflux.kernel.catalog import Entity
from afflux.kernel.events import Adjustment, CatalogChange, Click, Conversion, Event, Rejection
from afflux.kernel.keys import postback_token
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import read_topic
from afflux.runtime.producer import Publisher
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.services import fetch
from afflux.runtime.supervise.stack import Stack
from tests.tracking_samples import SECRET, changes

ENV = {"AFFLUX_SECRET": SECRET.decode()}
UNLIMITED = {
    **ENV,
    "AFFLUX_EDGE_ADVERTISER_RATE": "0",
    "AFFLUX_EDGE_ADDRESS_RATE": "0",
    "AFFLUX_EDGE_FAILURE_RATE": "0",
}
"""For tests that are refused more often than a client may be."""
TOKEN = postback_token(SECRET, 7, 1)
TOPICS = (Click.topic, Conversion.topic, Adjustment.topic, Rejection.topic)
CLIENT = Path(__file__).with_name("tracking_client.py")


def until(true: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
    """Wait for a condition; fail, naming it, when it never holds."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.05)


def status(stack: Stack, name: str) -> dict[str, object]:
    """Return what a service with one part says of itself, or nothing when it does not answer."""
    code, body = fetch(stack.admin_port(name), "/status")
    parts: dict[str, dict[str, object]] = json.loads(body)["parts"] if code == 200 else {}
    return parts.get(name) or next(iter(parts.values()), {})


def publish_entities(stack: Stack, entities: Sequence[Entity], links: int) -> None:
    """Put a catalogue into Kafka and wait until the edge knows its links."""

    async def publish() -> None:
        publisher = Publisher(stack.settings, Codec.load(), "test")
        await publisher.start()
        await publisher.publish(changes(entities))
        await publisher.stop()

    asyncio.run(publish())
    until(lambda: status(stack, "edge").get("links") == links, "the edge knows the links")


def publish_catalog(
    stack: Stack, more: Sequence[CatalogChange] = (), edge: str | None = "edge"
) -> None:
    """Put the catalogue of the samples into Kafka and wait until the edge, if any, knows it."""

    async def publish() -> None:
        publisher = Publisher(stack.settings, Codec.load(), "test")
        await publisher.start()
        await publisher.publish([*changes(), *more])
        await publisher.stop()

    asyncio.run(publish())
    if edge is not None:
        until(lambda: status(stack, edge).get("links") == 5, "the edge knows the links")


def wait_drained(stack: Stack, timeout_s: float = 60, shipper: str = "shipper") -> None:
    """Wait until the shipper has nothing left."""
    until(lambda: status(stack, shipper).get("lag") == 0, "the journal is shipped", timeout_s)


def shipped(settings: Settings) -> list[Event]:
    """Return all events that tracking has in Kafka."""

    async def read() -> list[Event]:
        batches = read_topic(settings, list(TOPICS), Codec.load())
        return [record.event async for batch in batches for record in batch]

    return asyncio.run(read())


@contextmanager
def load(stack: Stack, folder: Path, seed: int, url: str | None = None) -> Iterator[Path]:
    """Run the external client against the stack's edge, or that of `url`; yield its history."""
    history, stop = folder / "history", folder / "stop"
    command = [sys.executable, str(CLIENT), url or stack.settings.edge_url, TOKEN]
    child = subprocess.Popen([*command, str(history), str(seed), str(stop)])
    try:
        yield history
        stop.touch()
        assert child.wait(60) == 0
    finally:
        child.kill()
        child.wait()
