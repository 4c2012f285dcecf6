"""Fixtures and profiles of the whole suite.

- tests/unit and tests/property cannot open sockets or files (support/purity.py).
- `engines`: Kafka, PostgreSQL, ClickHouse for one session, in containers or embedded.
- `fresh_postgres`: an empty database for one test.
- `make_stack`: stacks in temporary homes with free ports, for end-to-end and fault tests.
- AFFLUX_TEST_PROFILE=full runs the tests marked `full` too, and longer property tests.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from afflux.runtime.supervise.services import Service
from afflux.runtime.supervise.stack import ENGINES, Stack
from tests.support.engines import Engines, running_engines, temporary_database, temporary_home
from tests.support.purity import pure

FULL = os.environ.get("AFFLUX_TEST_PROFILE", "short") == "full"
# A broker that lives for seconds never earns back what the optimising compiler costs.
os.environ.setdefault("AFFLUX_KAFKA_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
ORDER = ("e2e", "faults", "integration", "replay", "contract", "property", "unit")
PURE = ("unit", "property")
HERE = Path(__file__).parent
LOG_TAIL = 40

hypothesis_settings.register_profile(
    "short",
    max_examples=50,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.register_profile(
    "full", hypothesis_settings.get_profile("short"), max_examples=1000, derandomize=False
)
hypothesis_settings.load_profile("full" if FULL else "short")

failed = pytest.StashKey[bool]()


def kind(item: pytest.Item) -> str:
    """Return the folder of tests/ that a test is in."""
    return item.path.relative_to(HERE).parts[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long files first in one worker (several take files by their number of tests); tests marked
    `full` only in the full profile."""
    items.sort(key=lambda item: ORDER.index(kind(item)) if kind(item) in ORDER else -1)
    if FULL:
        return
    long = [item for item in items if item.get_closest_marker("full")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember a failure, for fixtures that then show logs."""
    report = yield
    if report.failed:
        item.stash[failed] = True
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Forbid sockets and files while a pure test runs."""
    with pure() if kind(item) in PURE else nullcontext():
        return (yield)


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """Addresses of Kafka, PostgreSQL and ClickHouse for the whole session."""
    with running_engines() as running:
        yield running


@pytest.fixture
def fresh_postgres(engines: Engines) -> Iterator[str]:
    """Connection string of an empty database, dropped after the test."""
    with temporary_database(engines.postgres, f"test_{uuid.uuid4().hex[:12]}") as dsn:
        yield dsn


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty home for a stack, removed after the test."""
    with temporary_home() as folder:
        yield folder


class StackMaker(Protocol):
    """Starts a stack with free ports, by default in a home of its own; stopped after the test."""

    def __call__(
        self,
        services: Sequence[str | Service],
        *,
        home: Path | None = None,
        env: Mapping[str, str] | None = None,
        engines: Sequence[str] = ENGINES,
    ) -> Stack: ...


@pytest.fixture
def make_stack(request: pytest.FixtureRequest) -> Iterator[StackMaker]:
    """Return a `StackMaker`; the ends of all logs are shown when the test failed."""
    with ExitStack() as exits:
        homes: list[Path] = []

        def make(
            services: Sequence[str | Service],
            *,
            home: Path | None = None,
            env: Mapping[str, str] | None = None,
            engines: Sequence[str] = ENGINES,
        ) -> Stack:
            folder = home or exits.enter_context(temporary_home())
            homes.append(folder)
            stack = Stack(folder, services, free_ports=True, env=env, engines=engines)
            exits.callback(stack.stop)
            stack.start()
            return stack

        yield make
        if request.node.stash.get(failed, False):
            for folder in homes:
                show_logs(folder)


def show_logs(home: Path) -> None:
    """Print the end of every log of a home."""
    for log in sorted((home / "log").glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL:]
        print(f"--- {log}", *lines, sep="\n")
