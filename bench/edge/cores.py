"""Cores, CPU time, memory and open files of processes, from Linux's /proc."""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


class Cores:
    """Who runs where: the server on the first core, the load on the second, engines on the third.

    With two cores the engines share the load's, with one core everything shares it.
    """

    def __init__(self, usable: set[int]) -> None:
        ordered = sorted(usable)
        self.server = ordered[0]
        self.load = ordered[min(1, len(ordered) - 1)]
        self.engines = ordered[min(2, len(ordered) - 1)]

    def facts(self) -> dict[str, int]:
        """Return the numbers of the cores, for the result."""
        return {"server": self.server, "load": self.load, "kafka": self.engines}


CORES = Cores(os.sched_getaffinity(0))


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Keep this thread, and whatever it starts meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin_process(pid: int, core: int) -> None:
    """Move every thread of a running process to one core; those it starts later follow."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def cpu_seconds(pid: int) -> dict[str, float]:
    """Return the CPU seconds that a process and its children have used so far."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    times = [one.cpu_times() for one in family]
    return {"user": sum(one.user for one in times), "system": sum(one.system for one in times)}


def core_busy_seconds(core: int) -> float:
    """Return the seconds that a core was not idle, whoever used it, so far."""
    times = psutil.cpu_times(percpu=True)[core]
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and its children."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(one.memory_info().rss for one in family)


def raise_file_limit(wanted: int) -> int:
    """Allow this process, and those it starts, as many open files as it may; return how many.

    Errors: RuntimeError when the hard limit is below `wanted`.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        raise RuntimeError(f"{wanted} open files are needed, the hard limit is {hard}: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def disk_facts(folder: Path) -> dict[str, object]:
    """Return the file system of a folder and what fdatasync of 4 KB takes there."""
    mounts = psutil.disk_partitions(all=True)
    inside = [part for part in mounts if folder.resolve().is_relative_to(part.mountpoint)]
    kind = max(inside, key=lambda part: len(part.mountpoint)).fstype if inside else "unknown"
    took: list[float] = []
    path = folder / "sync-probe"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for _ in range(50):
            os.write(fd, bytes(4096))
            started = time.perf_counter()
            os.fdatasync(fd)
            took.append(time.perf_counter() - started)
    finally:
        os.close(fd)
        path.unlink()
    return {
        "file_system": kind,
        "fdatasync_p50_ms": round(sorted(took)[25] * 1000, 3),
        "free_gib": round(shutil.disk_usage(folder).free / 2**30, 1),
    }
