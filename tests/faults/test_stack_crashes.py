"""Crashes of the supervisor and of what it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from afflux.runtime import pg
from afflux.runtime.homes import load_home
from afflux.runtime.refused import Refused
from afflux.runtime.supervise.child import MARK
from afflux.runtime.supervise.leftovers import kill_leftovers, leftovers
from afflux.runtime.supervise.lock import holder
from afflux.runtime.supervise.services import Service
from afflux.runtime.supervise.spec import State
from afflux.runtime.supervise.stack import Stack
from afflux.runtime.supervise.state import read_state
from tests.support.engines import temporary_home

UP = (sys.executable, "-m", "afflux.cli.main", "up", "--free-ports", "--services", "none")


def until(true: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
    """Wait for a condition; fail, naming it, when it never holds."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.05)


def start_up(home: Path) -> subprocess.Popen[bytes]:
    """Run `afflux up` in the foreground and wait until all runs."""
    child = subprocess.Popen([*UP, "--home", str(home)], stderr=subprocess.DEVNULL)

    def runs() -> bool:
        assert child.poll() is None, "afflux up ended"
        state = read_state(home)
        return holder(home) == child.pid and state is not None and state.phase == "running"

    until(runs, "afflux up is ready")
    return child


def pids(home: Path) -> dict[str, int]:
    state = read_state(home)
    assert state is not None
    return {process.name: process.pid or 0 for process in state.processes}


def test_S2_a_supervisor_killed_with_9_leaves_nothing_that_blocks_the_next_start(
    home: Path,
) -> None:
    first = start_up(home)
    with pg.connect(load_home(home).postgres) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    orphans = pids(home)

    first.kill()
    first.wait()
    if sys.platform == "linux":
        until(lambda: not any(map(psutil.pid_exists, orphans.values())), "orphans are gone")
    second = start_up(home)

    try:
        assert not set(pids(home).values()) & set(orphans.values())
        with pg.connect(load_home(home).postgres) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    finally:
        second.terminate()
        second.wait()


def test_S2_sigterm_stops_everything_and_leaves_with_zero(home: Path) -> None:
    child = start_up(home)
    ours = pids(home)

    child.terminate()

    assert child.wait(40) == 0
    assert not any(map(psutil.pid_exists, ours.values()))
    assert holder(home) is None
    assert list(leftovers(home)) == []


def test_S2_sigterm_while_starting_leaves_nothing(home: Path) -> None:
    child = subprocess.Popen([*UP, "--home", str(home)], stderr=subprocess.DEVNULL)
    until(lambda: read_state(home) is not None and bool(pids(home)), "Kafka is being started")

    child.terminate()

    assert child.wait(40) == 0
    assert list(leftovers(home)) == []


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """One stack for the tests below; each leaves it running."""
    with temporary_home() as home, Stack(home, [], free_ports=True) as running:
        yield running


@pytest.mark.parametrize("engine", ["kafka", "postgres"])
def test_S2_a_crashed_engine_is_started_again(stack: Stack, engine: str) -> None:
    before = stack.pid(engine)

    stack.kill(engine)
    stack.wait_ready(engine)

    found = {process.name: process for process in stack.state().processes}[engine]
    assert found.pid != before
    assert found.restarts == 1
    assert found.last_exit == -signal.SIGKILL


def test_a_killed_process_that_is_not_to_come_back_stays_away(stack: Stack) -> None:
    stack.kill("postgres", restart=False)
    states = {process.name: process.state for process in stack.state().processes}
    assert states["postgres"] == State.STOPPED
    stack.start_process("postgres")
    assert psutil.pid_exists(stack.pid("postgres"))


def test_a_paused_process_is_frozen_and_resumes(stack: Stack) -> None:
    stack.pause("kafka")
    process = psutil.Process(stack.pid("kafka"))
    until(lambda: process.status() == psutil.STATUS_STOPPED, "Kafka is frozen")
    stack.resume("kafka")
    until(lambda: process.status() != psutil.STATUS_STOPPED, "Kafka goes on")


def test_a_service_that_keeps_crashing_is_reported_with_the_end_of_its_log(stack: Stack) -> None:
    with pytest.raises(Refused, match=r"broken keeps crashing \(exit code 2\)(.|\n)*unknown"):
        stack.add(Service("broken", ("no-such-worker",)))
    stack.stop_process("broken")


def test_leftovers_of_a_home_are_killed_and_others_are_left_alone(home: Path) -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    stray = subprocess.Popen(sleep, env={**os.environ, MARK: str(home)})
    stranger = subprocess.Popen(sleep, env={**os.environ, MARK: f"{home}-other"})
    try:
        until(lambda: stray.pid in {p.pid for p in leftovers(home)}, "the stray is seen")
        assert kill_leftovers(home) == 1
        stray.wait(10)
        assert stranger.poll() is None
    finally:
        stray.kill()
        stranger.kill()
        stray.wait()
        stranger.wait()
