"""The supervisor: one thread that starts, watches, restarts and stops processes.

All processes are started by this one thread, because on Linux a process dies with the thread
that started it. Others ask by way of a queue, and wait for states.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from afflux.runtime.refused import Refused
from afflux.runtime.supervise.child import Child
from afflux.runtime.supervise.spec import Spec, State
from afflux.runtime.supervise.state import ProcessState, StackState, write_state

TICK_S = 0.05
LOG_TAIL_LINES = 5


class Supervisor:
    """Runs the processes of one home. Thread-safe."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._children: dict[str, Child] = {}
        self._asked: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._ending = False
        self._phase = "starting"
        self._written: StackState | None = None
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def start(self, spec: Spec) -> None:
        """Start a process, or start a stopped one again, with `spec`."""

        def act() -> None:
            child = self._children.setdefault(spec.name, Child(spec, self._home))
            child.spec = spec
            child.start()

        self._ask(act)

    def stop(self, names: Iterable[str]) -> None:
        """Stop these processes, all at once; each gets its own time, then SIGKILL."""
        wanted = [name for name in names if name in self._children]

        def act() -> None:
            for name in wanted:
                self._children[name].stop()

        self._ask(act)
        for name in wanted:
            self.wait(name, {State.STOPPED}, self._children[name].spec.stop_s + 5)

    def signal(self, name: str, number: signal.Signals, *, final: bool = False) -> None:
        """Send a signal to a process and all it started; `final`: it is not to come back."""
        self._ask(lambda: self._children[name].signal(number, final=final))

    def pid(self, name: str) -> int | None:
        """Return the process id of `name`, if it runs."""
        return self._children[name].pid

    def spec(self, name: str) -> Spec:
        """Return how `name` is run."""
        return self._children[name].spec

    def log(self, name: str) -> Path:
        """Return the log file of `name`."""
        return self._children[name].log

    def names(self) -> list[str]:
        """Return the names of all processes, in the order they were first started."""
        return list(self._children)

    def snapshot(self) -> StackState:
        """Return how every process stands now."""
        return StackState(self._phase, [_describe(child) for child in self._children.values()])

    def phase(self, name: str) -> None:
        """Say where the whole stack stands: starting, running or stopping."""
        self._ask(lambda: setattr(self, "_phase", name))

    def wait(self, name: str, states: set[State], timeout_s: float) -> None:
        """Wait until `name` is in one of `states`.

        Errors: Refused, with the end of its log, when it crash-loops or the time is over.
        """
        child = self._children[name]
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while child.state not in states:
                left = deadline - time.monotonic()
                if left <= 0 or child.state is State.LOOPING:
                    raise Refused(self._why(child, timeout_s))
                self._changed.wait(min(left, 0.5))

    def close(self) -> None:
        """Kill what is left and end the thread."""
        if self._thread.is_alive():
            self._ask(self._end)
            self._thread.join()

    def _why(self, child: Child, timeout_s: float) -> str:
        tail = _tail(child.log)
        what = (
            f"keeps crashing (exit code {child.last_exit})"
            if child.state is State.LOOPING
            else f"is {child.state.value} after {timeout_s:.0f} s"
        )
        return f"{child.spec.name} {what}; see {child.log}, which ends with:\n{tail}"

    def _end(self) -> None:
        self._ending = True
        for child in self._children.values():
            child.signal(signal.SIGKILL)

    def _ask(self, act: Callable[[], object]) -> None:
        done: Future[None] = Future()

        def run() -> None:
            try:
                act()
            except BaseException as error:  # noqa: BLE001 - handed to the asker
                done.set_exception(error)
            else:
                done.set_result(None)

        self._asked.put(run)
        done.result()

    def _run(self) -> None:
        while not self._ending:
            with suppress(queue.Empty):
                self._asked.get(timeout=TICK_S)()
            now = time.monotonic()
            for child in self._children.values():
                child.step(now)
            self._publish()

    def _publish(self) -> None:
        state = self.snapshot()
        if state == self._written:
            return
        with suppress(OSError):  # a full disk must not end the supervisor; the next change retries
            write_state(self._home, state)
        self._written = state
        with self._changed:
            self._changed.notify_all()


def _describe(child: Child) -> ProcessState:
    return ProcessState(
        name=child.spec.name,
        state=child.state.value,
        pid=child.pid,
        restarts=child.restarts,
        started_at=int(child.started_at * 1000),
        admin_port=child.spec.admin_port,
        last_exit=child.last_exit,
    )


def _tail(log: Path) -> str:
    if not log.exists():
        return "(nothing)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
