"""One supervised process: a session of its own, a log file, and death with its supervisor."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from afflux.runtime.supervise.spec import LOOP_FAILURES as LOOPING_AFTER
from afflux.runtime.supervise.spec import Spec, State, backoff, failures_after

PR_SET_PDEATHSIG = 1
LOG_LIMIT_BYTES = 64 << 20
MARK = "AFFLUX_STACK_HOME"
READY_EVERY_S = 0.1

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Child:
    """A process as the supervisor sees it. Only the supervisor's thread changes it."""

    def __init__(self, spec: Spec, home: Path) -> None:
        self.spec = spec
        self.state = State.STOPPED
        self.restarts = 0
        self.started_at = 0.0
        self.last_exit: int | None = None
        self._home = home
        self._failures = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._next_at = 0.0
        self._deadline = 0.0

    @property
    def pid(self) -> int | None:
        """Process id, while there is a process."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> Path:
        """File that gets what the process prints."""
        return self._home / "log" / f"{self.spec.name}.log"

    def start(self) -> None:
        """Start the process, unless it is there."""
        if self._process is None:
            self._failures = 0
            self._spawn_or_fail(time.monotonic())

    def stop(self) -> None:
        """Ask the process to leave; `step` kills it when it does not."""
        if self._process is None:
            self.state = State.STOPPED
            return
        self.state = State.STOPPING
        self._deadline = time.monotonic() + self.spec.stop_s
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, self.spec.stop)
            os.killpg(self._process.pid, signal.SIGCONT)

    def signal(self, number: signal.Signals, *, final: bool = False) -> None:
        """Send `number` to the process and what it started; `final`: do not start it again."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
        if final:
            self.state = State.STOPPING
            self._deadline = time.monotonic() + self.spec.stop_s
        elif number is signal.SIGSTOP:
            self.state = State.PAUSED
        elif number is signal.SIGCONT and self.state is State.PAUSED:
            self.state = State.RUNNING

    def step(self, now: float) -> None:
        """Look at the process and do what is due; `now` is monotonic, in seconds."""
        if self._process is None:
            if self.state in (State.WAITING, State.LOOPING) and now >= self._next_at:
                self.restarts += 1
                self._spawn_or_fail(now)
            return
        code = self._process.poll()
        if code is not None:
            self._ended(code, now)
        elif self.state is State.STOPPING and now >= self._deadline:
            self._kill_group()
        elif self.state is State.STARTING and now >= self._next_at:
            self._next_at = now + READY_EVERY_S
            if self.spec.ready():
                self.state = State.RUNNING

    def _ended(self, code: int, now: float) -> None:
        self._kill_group()  # what the process started must not hold its ports
        self._process, self.last_exit = None, code
        if self.state is State.STOPPING:
            self.state = State.STOPPED
        else:
            self._failed(code, now)

    def _failed(self, code: object, now: float) -> None:
        self._failures = failures_after(self._failures, time.time() - self.started_at)
        self._next_at = now + backoff(self._failures)
        self.state = State.LOOPING if self._failures >= LOOPING_AFTER else State.WAITING
        self._note(f"{self.spec.name} ended with {code}; restart in {backoff(self._failures)} s")

    def _kill_group(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _spawn_or_fail(self, now: float) -> None:
        try:
            self._spawn()
        except (OSError, subprocess.SubprocessError) as error:
            self._failed(error, now)

    def _spawn(self) -> None:
        spec = self.spec
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        self.started_at, self._next_at, self.state = time.time(), 0.0, State.STARTING
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                spec.command,
                env={**os.environ, **spec.env, MARK: str(self._home)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._home if spec.uid is None else "/",
                start_new_session=True,
                user=spec.uid,
                group=spec.gid,
                extra_groups=[] if spec.uid is not None else None,
                preexec_fn=_die_with_parent(spec.orphaned),  # noqa: PLW1509 - see there
            )

    def _note(self, sentence: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with suppress(OSError), self.log.open("a") as log:  # a full disk must not end us
            log.write(f"{stamp} supervisor: {sentence}\n")


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Return what makes a new process get `number` when the thread that started it dies.

    It runs between fork and exec, after the account was changed (a change would clear it),
    and calls one function of the C library that was loaded before.
    """
    libc = _libc
    if libc is None:
        return None
    parent = os.getpid()

    def arrange() -> None:
        libc.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os._exit(1)

    return arrange
