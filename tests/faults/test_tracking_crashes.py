"""kill -9 of edge and shipper, Kafka away: what was answered is in Kafka, once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from afflux.kernel.events import Click, Event
from afflux.kernel.token import verify
from afflux.runtime.supervise.stack import Stack
from tests.support.engines import temporary_home
from tests.tracking_oracle import assert_nothing_lost_or_invented, position
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
PROFILE_SHORT = ("edge", "shipper", "edge", "shipper", "edge")
PROFILE_FULL = 20 * PROFILE_SHORT
SMALL_SEGMENTS = {**ENV, "AFFLUX_JOURNAL_SEGMENT_BYTES": "60000"}


def kill_9(stack: Stack, name: str) -> None:
    """Kill a process and start it again at once, without the supervisor's growing pauses."""
    stack.kill(name, restart=False)
    stack.start_process(name)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_home() as home:
        made = Stack(home, ["shipper", "edge"], free_ports=True, env=SMALL_SEGMENTS)
        with made:
            publish_catalog(made)
            yield made


def kill_under_load(stack: Stack, folder: Path, seed: int, victims: Sequence[str]) -> None:
    rng = random.Random(seed)
    with load(stack, folder, seed) as history:
        for victim in victims:
            time.sleep(rng.uniform(0.02, 0.8))
            kill_9(stack, victim)
        time.sleep(0.5)
    wait_drained(stack)
    assert assert_nothing_lost_or_invented(stack.settings, history) > 100


def test_T1_T2_kill_9_of_edge_and_shipper_under_load_loses_no_answered_event(
    stack: Stack, tmp_path: Path
) -> None:
    kill_under_load(stack, tmp_path, 1, PROFILE_SHORT)


@pytest.mark.full
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("seed", [2, 3])
def test_T1_T2_kill_9_at_200_seeded_instants(stack: Stack, tmp_path: Path, seed: int) -> None:
    """A hundred for each seed."""
    kill_under_load(stack, tmp_path, seed, PROFILE_FULL)


@pytest.mark.parametrize("away_s", [8, pytest.param(60, marks=pytest.mark.full)])
def test_T2_kafka_away_only_grows_the_journal_also_for_an_edge_that_starts_then(
    stack: Stack, tmp_path: Path, away_s: int
) -> None:
    with load(stack, tmp_path, away_s) as history:
        time.sleep(1)
        stack.stop_process("kafka")
        before = len(history.read_text().splitlines())
        time.sleep(1)
        kill_9(stack, "edge")
        assert status(stack, "edge")["links"] == 5
        kill_9(stack, "shipper")
        time.sleep(away_s)
        while_away = len(history.read_text().splitlines()) - before
        stack.start_process("kafka")
        time.sleep(1)
    wait_drained(stack)
    assert while_away > 20
    assert_nothing_lost_or_invented(stack.settings, history)
    until(lambda: len(list(stack.settings.journal.glob("*.journal"))) == 1, "segments are deleted")


@pytest.mark.full
def test_T2_S2_a_paused_broker_and_a_clean_stop_lose_nothing(
    make_stack: MakeStack, tmp_path: Path
) -> None:
    own = make_stack(["shipper", "edge"], env={**SMALL_SEGMENTS, "AFFLUX_SEND_TIMEOUT_S": "2"})
    publish_catalog(own)
    with load(own, tmp_path, 6) as history:
        time.sleep(1)
        own.pause("kafka")
        time.sleep(4)
        own.resume("kafka")
        for name in ("edge", "shipper"):
            started = time.monotonic()
            own.restart(name)
            assert time.monotonic() - started < 60
    wait_drained(own)
    events = shipped(own.settings)
    assert_at_least_once(events, history)


def assert_at_least_once(events: list[Event], history: Path) -> None:
    """A send that timed out may have arrived: repeats are allowed, losses are not."""
    assert {position(event) for event in events} == set(range(max(map(position, events)) + 1))
    clicks = {event.click_id for event in events if isinstance(event, Click)}
    lines = [line.split() for line in history.read_text().splitlines()]
    answered = {verify(line[1], CLICK_KEYS).click_id for line in lines if line[0] == "click"}
    assert answered <= clicks
