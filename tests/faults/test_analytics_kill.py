"""kill -9 of analytics at seeded instants under load: no record is lost, none is doubled."""

from __future__ import annotations

import asyncio
import random
import signal

import httpx
import pytest

from afflux.runtime.codec import Codec
from afflux.runtime.producer import Publisher, Raw
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.stack import Stack
from services.analytics.conservation import compare_with_log
from tests.analytics_samples import world
from tests.conftest import StackMaker

_LOAD = 2_000
CODEC = Codec.load()
NO_WHOLE_HOUR = "2100-01-01T00:00:00.001"


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.full)])
async def test_K1_K2_kill_at_random_instants_loses_and_doubles_nothing(
    make_stack: StackMaker, kills: int
) -> None:
    stack = make_stack(["analytics"])
    rng = random.Random(kills)
    publisher = Publisher(stack.settings, CODEC, "test")
    await publisher.start()
    for number in range(kills):
        load = asyncio.create_task(_load(publisher, number))
        await asyncio.sleep(rng.uniform(0.2, 2.5))
        await asyncio.to_thread(_kill, stack)
        await load
    await publisher.stop()
    report = await compare_with_log(stack.settings, timeout_s=60)
    assert report.clean, [mismatch.text() for mismatch in report.mismatches]
    assert sum(topic.kafka.count for topic in report.topics) >= kills * _LOAD
    assert await _clicks(stack.settings) == await _clicks(stack.settings, to=NO_WHOLE_HOUR)


def _kill(stack: Stack) -> None:
    """Kill and start anew; the supervisor's own restarts would wait longer each time."""
    stack.kill("analytics", signal.SIGKILL, restart=False)
    stack.start_process("analytics")


async def _load(publisher: Publisher, number: int) -> None:
    """Publish a world, with a few records that nobody can decode in its middle."""
    events = world(_LOAD, seed=number)
    await publisher.publish(events[:_LOAD])
    await publisher.publish_raw(
        [Raw("tracking.clicks", b"k", b"junk"), Raw("fraud.assessments", b"k", None)]
    )
    await publisher.publish(events[_LOAD:])


async def _clicks(settings: Settings, **asked: str) -> list[object]:
    """Return clicks by partner and day: from the aggregate, or from raw rows for odd instants."""
    parameters = {"by": "partner,day", "kpis": "clicks_gross,clicks_unique", **asked}
    async with httpx.AsyncClient(base_url=settings.kpi_url, timeout=60) as client:
        answer = await client.get("/v1/kpi", params=parameters)
    rows: list[object] = answer.json()["rows"]
    assert rows
    return rows
