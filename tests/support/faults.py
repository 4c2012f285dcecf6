"""Faults only the system can make: a disk that does not sync, a clock that steps, a disk of 8 MB.

They are made by a small library that stands between one process and libc (faults.c, compiled with
`cc`), and by a tmpfs, which only root can mount.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("faults.c")


class Faults:
    """Faults of the processes that run with `env`; none at first."""

    def __init__(self, folder: Path) -> None:
        library = folder / "faults.so"
        command = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library)]
        subprocess.run([*command, str(SOURCE)], check=True)
        self._fsync, self._clock = folder / "fsync-fails", folder / "clock-shift"
        self.env = {
            "LD_PRELOAD": str(library),
            "FAULT_FSYNC": str(self._fsync),
            "FAULT_CLOCK": str(self._clock),
        }

    @contextmanager
    def failing_fsync(self) -> Iterator[None]:
        """Let every fdatasync of a journal segment fail with EIO."""
        self._fsync.touch()
        try:
            yield
        finally:
            self._fsync.unlink()

    @contextmanager
    def clock_shifted(self, seconds: int) -> Iterator[None]:
        """Let the wall clock be wrong by so many seconds, at once, then right again."""
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.rename(self._clock)
        try:
            yield
        finally:
            self._clock.unlink()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a tmpfs of a size (`8m`) on a folder. Needs root, or sudo without a password."""
    folder.mkdir()
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size={size},mode=0700,uid={os.geteuid()},gid={os.getegid()}"
    subprocess.run([*as_root, "mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*as_root, "umount", "-l", folder], check=True)
