"""Processes of a home that outlived their supervisor: found by the mark in their environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from afflux.runtime.supervise.child import MARK

GRACE_S = 5.0


def leftovers(home: Path) -> Iterator[psutil.Process]:
    """Yield the processes that carry the mark of `home`, ourselves and our parents excepted."""
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        try:
            if process.pid not in ours and process.environ().get(MARK) == str(home):
                yield process
        except (psutil.Error, OSError):
            continue


def kill_leftovers(home: Path) -> int:
    """Kill what an earlier stack of `home` left behind; return how many processes that were."""
    found = list(leftovers(home))
    for process in found:
        _kill(process)
    psutil.wait_procs(found, timeout=GRACE_S)
    return len(found)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
