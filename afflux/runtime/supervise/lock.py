"""One supervisor a home: a locked file that the system frees when its holder dies."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from afflux.runtime.refused import Refused
from afflux.runtime.supervise.state import state_file


class HomeLock:
    """The right to run the stack of a home."""

    def __init__(self, home: Path) -> None:
        self._path = lock_file(home)
        self._home = home
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the right. Errors: Refused when another supervisor has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise Refused(
                f"a stack already runs in {self._home} (process {holder(self._home)}); "
                "stop it with `afflux down`, or use another --home"
            ) from error
        state_file(self._home).unlink(missing_ok=True)  # before our id: it told of another stack
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Give the right back."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None


def lock_file(home: Path) -> Path:
    """Return the file that is locked while the stack of `home` runs."""
    return home / "run" / "lock"


def holder(home: Path) -> int | None:
    """Return the process id of the supervisor of `home`, or None when none runs."""
    try:
        handle = os.open(lock_file(home), os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        with suppress(ValueError):
            return int(os.pread(handle, 20, 0))
        return None
    else:
        return None
    finally:
        os.close(handle)
