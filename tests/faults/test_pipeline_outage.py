"""Kafka stops for 20 s under load: everybody is answered, and then all of it is through."""

from __future__ import annotations

import asyncio
import time

from afflux.cli.demo.command import CATALOG, shelf
from afflux.cli.demo.drain import drain
from afflux.cli.demo.drive import Driver
from afflux.cli.demo.plan import make_plan
from afflux.cli.demo.reports import Sender
from afflux.cli.demo.show import differences
from afflux.cli.proof.gather import journals
from afflux.cli.verify import prove
from afflux.runtime.catalog_file import CatalogFile
from afflux.runtime.catalog_store import apply_plan, load_catalog
from afflux.runtime.supervise.services import DEFAULT_SERVICES
from afflux.runtime.supervise.stack import Stack
from tests.conftest import StackMaker

OUTAGE_S = 20
TRAFFIC_S = 30


async def test_T1_T2_kafka_stopped_for_20_s_under_load_then_drained(
    make_stack: StackMaker,
) -> None:
    stack = make_stack(DEFAULT_SERVICES)
    settings = stack.settings
    await apply_plan(settings, CatalogFile(CATALOG).plan, "test")
    catalog = await load_catalog(settings)
    stories = make_plan(shelf(catalog), seed=3, seconds=TRAFFIC_S, visitors=200)
    stories = [story for story in stories if story.edge == 0]
    driver = Driver([settings.edge_url], Sender(settings.secret.get_secret_value().encode()))

    outage = asyncio.create_task(asyncio.to_thread(interrupt, stack))
    await driver.play(stories, lambda _: None)
    await outage
    await drain(settings, stack.home, None, 120, lambda _: None)

    assert driver.answers.counts["clicks"] > 200
    assert differences(driver.answers, journals(settings)) == []
    proof = await prove(settings)
    assert proof.broken == []


def interrupt(stack: Stack) -> None:
    """Let traffic flow for a moment, then take Kafka away for 20 s."""
    time.sleep(4)
    stack.stop_process("kafka")
    time.sleep(OUTAGE_S)
    stack.start_process("kafka")
