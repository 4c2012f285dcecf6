"""kill -9 of edge and shipper, Kafka away: what was answered is in Kafka, once."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from afflux.kernel.events import Click, Conversion, Event
from afflux.kernel.token import verify
from afflux.runtime.supervise.stack import Stack
from services.tracking.journal import journal_counts
from tests.tracking_samples import CLICK_KEYS
from tests.tracking_stack import (
    ENV,
    load,
    publish_catalog,
    shipped,
    status,
    until,
    wait_drained,
)

MakeStack = Callable[..., Stack]
SMALL_SEGMENTS = {**ENV, "AFFLUX_JOURNAL_SEGMENT_BYTES": "60000"}


def kill_9(stack: Stack, name: str) -> None:
    """Kill a process and start it again at once, without the supervisor's growing pauses."""
    stack.kill(name, restart=False)
    stack.start_process(name)


def position(event: Event) -> int:
    value = getattr(event, "journal_position", None)
    assert isinstance(value, int)
    return value


def assert_nothing_lost_nothing_doubled(stack: Stack, history: Path) -> int:
    """The client's history, the journal's own counts and Kafka agree."""
    events = shipped(stack.settings)
    clicks = Counter(event.click_id for event in events if isinstance(event, Click))
    txns = Counter(event.transaction_id for event in events if isinstance(event, Conversion))
    lines = [line.split() for line in history.read_text().splitlines()]
    answered = [verify(line[1], CLICK_KEYS).click_id for line in lines if line[0] == "click"]
    sold = [line[1] for line in lines if line[0] == "conversion"]
    assert answered and sold
    assert [click_id for click_id in answered if clicks[click_id] != 1] == []
    assert [txn for txn in sold if txns[txn] != 1] == []
    assert sorted(map(position, events)) == list(range(len(events)))
    counts = journal_counts(stack.settings.journal)
    assert counts["click"] == clicks.total()
    assert counts["conversion"] == txns.total()
    return len(lines)


@pytest.mark.parametrize("seed", [1])
def test_T1_T2_kill_9_of_edge_and_shipper_under_load_loses_no_answered_event(
    make_stack: MakeStack, tmp_path: Path, seed: int
) -> None:
    stack = make_stack(["shipper", "edge"], env=SMALL_SEGMENTS)
    publish_catalog(stack)
    rng = random.Random(seed)
    with load(stack, tmp_path, seed) as history:
        for victim in ("edge", "shipper", "edge", "edge", "shipper", "edge"):
            time.sleep(rng.uniform(0.2, 1.5))
            kill_9(stack, victim)
        time.sleep(0.5)
    wait_drained(stack)
    assert assert_nothing_lost_nothing_doubled(stack, history) > 100


@pytest.mark.full
@pytest.mark.parametrize("seed", range(2, 8))
def test_T1_T2_kill_9_at_many_seeded_instants(
    make_stack: MakeStack, tmp_path: Path, seed: int
) -> None:
    test_T1_T2_kill_9_of_edge_and_shipper_under_load_loses_no_answered_event(
        make_stack, tmp_path, seed
    )


def test_T2_kafka_away_only_grows_the_journal_also_for_an_edge_that_starts_then(
    make_stack: MakeStack, tmp_path: Path
) -> None:
    stack = make_stack(["shipper", "edge"], env=SMALL_SEGMENTS)
    publish_catalog(stack)
    with load(stack, tmp_path, 5) as history:
        time.sleep(1)
        stack.stop_process("kafka")
        before = len(history.read_text().splitlines())
        time.sleep(2)
        kill_9(stack, "edge")
        assert status(stack, "edge")["links"] == 5
        time.sleep(1)
        kill_9(stack, "shipper")
        time.sleep(2)
        while_away = len(history.read_text().splitlines()) - before
        stack.start_process("kafka")
        time.sleep(1)
    wait_drained(stack)
    assert while_away > 20
    assert_nothing_lost_nothing_doubled(stack, history)
    until(lambda: len(list(stack.settings.journal.glob("*.journal"))) == 1, "segments are deleted")


def test_T2_S2_a_paused_broker_and_a_clean_stop_lose_nothing(
    make_stack: MakeStack, tmp_path: Path
) -> None:
    stack = make_stack(["shipper", "edge"], env={**SMALL_SEGMENTS, "AFFLUX_SEND_TIMEOUT_S": "2"})
    publish_catalog(stack)
    with load(stack, tmp_path, 6) as history:
        time.sleep(1)
        stack.pause("kafka")
        time.sleep(4)
        stack.resume("kafka")
        for name in ("edge", "shipper"):
            started = time.monotonic()
            stack.restart(name)
            assert time.monotonic() - started < 60
    wait_drained(stack)
    events = shipped(stack.settings)
    assert_at_least_once(events, history)


def assert_at_least_once(events: list[Event], history: Path) -> None:
    """A send that timed out may have arrived: repeats are allowed, losses are not."""
    assert {position(event) for event in events} == set(range(max(map(position, events)) + 1))
    clicks = {event.click_id for event in events if isinstance(event, Click)}
    lines = [line.split() for line in history.read_text().splitlines()]
    answered = {verify(line[1], CLICK_KEYS).click_id for line in lines if line[0] == "click"}
    assert answered <= clicks
