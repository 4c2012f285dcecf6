"""The state of a stack, as its supervisor writes it to HOME/run/state.json for others to read."""

from __future__ import annotations

from pathlib import Path

import msgspec


class ProcessState(msgspec.Struct, frozen=True):
    """One process; `started_at` in milliseconds UTC, `admin_port` 0 where there is none."""

    name: str
    state: str
    pid: int | None
    restarts: int
    started_at: int
    admin_port: int
    last_exit: int | None


class StackState(msgspec.Struct, frozen=True):
    """The stack: its phase (starting, running, stopping) and its processes in starting order."""

    phase: str
    processes: list[ProcessState]


def state_file(home: Path) -> Path:
    """Return the file that holds the state of the stack in `home`."""
    return home / "run" / "state.json"


def write_state(home: Path, state: StackState) -> None:
    """Replace the state file at once; readers see the old one or the new one."""
    path = state_file(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(state))
    fresh.replace(path)


def read_state(home: Path) -> StackState | None:
    """Return the last written state, or None where there never was one."""
    try:
        return msgspec.json.decode(state_file(home).read_bytes(), type=StackState)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
