"""The monitor as a process, on a real Kafka: it counts, it warns, and it can be killed."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from afflux.kernel.events import Alert, Assessment, DeadLetterRecord
from afflux.runtime.clock import now_ms
from afflux.runtime.producer import Raw
from afflux.runtime.supervise.services import Service
from afflux.runtime.supervise.stack import Stack
from tests.fraud_kafka import eventually, publish, publish_raw
from tests.fraud_samples import change, decision, offer
from tests.monitor_samples import assessment, letter
from tests.support.engines import temporary_home

LIMITS = {"AFFLUX_MONITOR_LEAST": "10", "AFFLUX_MONITOR_HOLD_SHARE": "0.6"}


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    """The monitor beside a service of the money path."""
    with temporary_home() as home, Stack(home, [], free_ports=True) as running:
        await publish(running.settings, [change(offer())])
        for service in (Service("monitor", ("monitor",), LIMITS), Service.of("assess")):
            await asyncio.to_thread(running.add, service)
        yield running


def counts(stack: Stack) -> dict[str, Any]:
    """What the web view shows."""
    url = f"http://127.0.0.1:{stack.settings.monitor_port}/counts"
    with urllib.request.urlopen(url, timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


async def shown(
    stack: Stack, enough: Callable[[dict[str, Any]], bool], timeout_s: float = 60
) -> dict[str, Any]:
    """Wait until the web view shows what is asked for."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            found = await asyncio.to_thread(counts, stack)
        except OSError as error:
            found = {"error": repr(error)}
        else:
            if enough(found):
                return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.2)


async def test_live_counts_and_alerts_follow_the_topics(stack: Stack):
    now = now_ms()
    held = [assessment(n, screened=False, at=now) for n in range(15)]
    passed = [assessment(100 + n, at=now) for n in range(5)]
    letters = [letter(n, at=now) for n in range(4)]
    await publish(stack.settings, [*held, *passed, *letters])

    found = await shown(stack, lambda found: found["handled"] >= 24)

    assert found["assessments"] == {"total": 20, "by_verdict": {"hold": 15, "pass": 5}}
    assert found["reasons"] == {"click_unscreened": 15}
    assert found["dead_letters"]["by_stage"] == {"screen": {"value_damaged": 4}}
    assert found["partners"][0] == {"partner_id": 103, "pass": 5, "hold": 15, "reject": 0}
    alerts = await eventually(stack.settings, Alert, lambda found: len(found) >= 2)
    assert {alert.name for alert in alerts} == {"hold_share", "dead_letter_share"}


async def test_records_it_cannot_read_are_counted_and_it_goes_on(stack: Stack):
    before = counts(stack)
    bad = [
        Raw(Assessment.topic, b"k", b"\x00\x00\x00\x00\x08cut"),
        Raw(Assessment.topic, b"k", b""),
    ]
    await publish_raw(stack.settings, [*bad, Raw(DeadLetterRecord.topic, b"k", None)])
    await publish(stack.settings, [assessment(200, at=now_ms())])
    found = await shown(stack, lambda found: found["handled"] >= before["handled"] + 4)
    assert found["unreadable"] == {Assessment.topic: 2, DeadLetterRecord.topic: 1}
    assert found["assessments"]["total"] == before["assessments"]["total"] + 1


async def test_S2_sigterm_ends_it_in_time_and_a_restart_goes_on(stack: Stack):
    await asyncio.to_thread(stack.stop_process, "monitor")
    (monitor,) = [process for process in stack.state().processes if process.name == "monitor"]
    assert monitor.last_exit == 0  # the supervisor kills what has not left after 10 s
    await publish(stack.settings, [assessment(300, at=now_ms())])
    await asyncio.to_thread(stack.start_process, "monitor")
    await shown(stack, lambda found: found["assessments"]["total"] >= 1)


async def test_kill_9_of_the_monitor_changes_nothing_else_and_it_comes_back(stack: Stack):
    settings = stack.settings
    before = await eventually(settings, Assessment, lambda found: len(found) > 0)
    handled = counts(stack)["handled"]
    await publish(settings, [decision(n) for n in range(1_001, 1_101)])
    await shown(stack, lambda found: found["handled"] > handled)
    assess_pid = stack.pid("assess")

    await asyncio.to_thread(stack.kill, "monitor", restart=False)
    await publish(settings, [decision(n) for n in range(1_101, 1_201)])
    await eventually(settings, Assessment, lambda found: len(found) >= len(before) + 200)
    await asyncio.to_thread(stack.start_process, "monitor")
    await publish(settings, [letter(99, at=now_ms())])
    await shown(stack, lambda found: found["dead_letters"]["total"] >= 1)

    found = await eventually(settings, Assessment, lambda found: len(found) >= len(before) + 200)
    decided = [a.version for a in found[len(before) :]]
    assert sorted(decided) == list(range(1_001, 1_201))
    assert stack.pid("assess") == assess_pid
