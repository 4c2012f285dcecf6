"""Killing the monitor changes nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from afflux.kernel.events import Assessment
from afflux.runtime.clock import now_ms
from afflux.runtime.supervise.services import Service
from afflux.runtime.supervise.stack import Stack
from tests.fraud_kafka import eventually, publish
from tests.fraud_samples import change, decision, offer
from tests.integration.test_monitor_stream import shown
from tests.monitor_samples import letter
from tests.support.engines import temporary_home


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    """The monitor beside a service of the money path."""
    with temporary_home() as home, Stack(home, [], free_ports=True) as running:
        await publish(running.settings, [change(offer())])
        for name in ("assess", "monitor"):
            await asyncio.to_thread(running.add, Service.of(name))
        yield running


async def test_kill_9_of_the_monitor_changes_nothing_else_and_it_comes_back(stack: Stack):
    settings = stack.settings
    await publish(settings, [decision(n) for n in range(1, 101)])
    await shown(stack, lambda found: found["handled"] > 0)
    assess_pid = stack.pid("assess")

    await asyncio.to_thread(stack.kill, "monitor", restart=False)
    await publish(settings, [decision(n) for n in range(101, 201)])
    await eventually(settings, Assessment, lambda found: len(found) >= 200)
    await asyncio.to_thread(stack.start_process, "monitor")
    await publish(settings, [letter(1, at=now_ms())])
    await shown(stack, lambda found: found["dead_letters"]["total"] == 1)

    found = await eventually(settings, Assessment, lambda found: len(found) >= 200)
    assert sorted(a.version for a in found) == list(range(1, 201))
    assert stack.pid("assess") == assess_pid
