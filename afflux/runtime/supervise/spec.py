"""What the supervisor needs to know of a process, and when it tries again."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

STEADY_S = 30.0
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0
LOOP_FAILURES = 4


class State(StrEnum):
    """Where a supervised process stands."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    WAITING = "waiting"
    LOOPING = "crash-looping"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Spec:
    """How to run one process.

    `ready` is asked until it answers True; `stop` is the signal that asks it to leave,
    `stop_s` how many seconds it gets. `orphaned` is the signal the system sends it when the
    supervisor dies (Linux). `uid` and `gid` are the account to run as; None: our own.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    admin_port: int = 0
    stop: signal.Signals = signal.SIGTERM
    stop_s: float = 10.0
    orphaned: signal.Signals = signal.SIGKILL
    uid: int | None = None
    gid: int | None = None


def backoff(failures: int) -> float:
    """Return the seconds to wait before a restart, after `failures` failures in a row.

    Doubles from a quarter of a second and stays under 5 s, so that a service that can run
    resumes within the 15 s of law S2.
    """
    return float(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** max(0, failures - 1)))


def failures_after(failures: int, lived_s: float) -> int:
    """Return the failures in a row once a process died after `lived_s` seconds."""
    return 1 if lived_s >= STEADY_S else failures + 1
