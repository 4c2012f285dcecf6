"""A shipper that starts without its checkpoint ships nothing twice, whatever the clocks did."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence

import msgspec
import pytest

from afflux.kernel.types import Millis
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.stack import Stack
from bench.shipper import click, fill
from services.tracking.checkpoint import FILE, load
from services.tracking.domain.entries import Kind, encode
from services.tracking.journal.segment import frame
from services.tracking.journal.store import Store
from services.tracking.shipper import Shipper
from services.tracking.user_agents import UserAgents
from tests.support.engines import temporary_home
from tests.tracking_oracle import position
from tests.tracking_stack import shipped, until

HOUR = 3_600_000
WHEN = {
    "the segment is younger than its records": lambda number: -HOUR,
    "the clock stepped back and forth": lambda number: -HOUR if number % 30 < 10 else HOUR,
    "the clock runs": lambda number: number,
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_home() as home, Stack(home, [], free_ports=True) as made:
        yield made


def append(settings: Settings, times: Sequence[int]) -> None:
    """Write a click for each time into the journal, as an edge would."""
    store, rng = Store(settings.journal, 1 << 20), random.Random(len(times))
    for number, at in enumerate(times):
        entry = msgspec.structs.replace(click(rng, number), received_at=Millis(at))
        store.write([frame(Kind.CLICK, encode(entry))], [Kind.CLICK])
    store.close()


async def ship_all(settings: Settings) -> None:
    """Run a shipper, as a process that starts, until nothing is left."""
    shipper, stop = Shipper(settings, Codec.load(), UserAgents()), asyncio.Event()
    running = asyncio.create_task(shipper.run(stop))
    await asyncio.to_thread(until, lambda: shipper.status()["lag"] == 0, "all is shipped")
    stop.set()
    await running


@pytest.mark.parametrize("name", WHEN)
async def test_T2_a_lost_checkpoint_makes_no_repeat(stack: Stack, name: str) -> None:
    edge_id = f"edge-{len(name)}"
    settings = stack.settings.model_copy(update={"edge_id": edge_id})
    times = [now_ms() + WHEN[name](number) for number in range(60)]
    append(settings, times)
    for _ in range(2):
        await ship_all(settings)
        (settings.journal / FILE).unlink()
    append(settings, times)
    await ship_all(settings)
    events = await asyncio.to_thread(shipped, settings)
    mine = sorted(position(e) for e in events if getattr(e, "edge_id", None) == edge_id)
    assert mine == list(range(120))


async def test_T2_kafka_that_leaves_while_loads_are_on_their_way_loses_and_repeats_nothing(
    stack: Stack,
) -> None:
    count = 60_000
    settings = stack.settings.model_copy(update={"edge_id": "edge-flying", "send_timeout_s": 3.0})
    fill(settings.journal, count)
    running = asyncio.create_task(ship_all(settings))
    async with asyncio.timeout(60):
        while position_saved(settings) < 0:  # noqa: ASYNC110 - of a file
            await asyncio.sleep(0.001)
    await asyncio.to_thread(stack.kill, "kafka", restart=False)
    await asyncio.sleep(4)
    before = position_saved(settings)
    await asyncio.to_thread(stack.start_process, "kafka")
    await running
    assert before < count - 1, "it left in the middle"
    events = await asyncio.to_thread(shipped, settings)
    mine = [position(e) for e in events if getattr(e, "edge_id", None) == "edge-flying"]
    assert sorted(mine) == list(range(count))


def position_saved(settings: Settings) -> int:
    """Return how far the checkpoint on disk is."""
    known = load(settings.journal)
    return -1 if known is None else known.position
