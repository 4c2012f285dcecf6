"""The guard of pure tests: no sockets, no files.

An audit hook sees every open and connect of the interpreter, from Python and from C. What the
interpreter itself needs stays allowed: its library, installed packages, time zones, and the source
and byte code of this project (lazy imports, tracebacks).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = str(Path(__file__).resolve().parents[2])
READABLE = (sys.prefix, sys.base_prefix, "/usr/", "/lib", "/etc/localtime", "/proc/", "/dev/")
WRITABLE = (ROOT + "/.hypothesis/", "/dev/null")
NETWORK = {
    "socket.connect",
    "socket.bind",
    "socket.sendto",
    "socket.sendmsg",
    "socket.getaddrinfo",
    "socket.gethostbyname",
}
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT

_state = {"pure": False, "hooked": False}


@contextmanager
def pure() -> Iterator[None]:
    """Forbid sockets and files in this block."""
    if not _state["hooked"]:
        sys.addaudithook(_hook)
        _state["hooked"] = True
    before, _state["pure"] = _state["pure"], True
    try:
        yield
    finally:
        _state["pure"] = before


def _hook(event: str, args: tuple[object, ...]) -> None:
    if not _state["pure"]:
        return
    if event in NETWORK:
        _refuse(f"{event} {args[1:]}")
    elif event == "open":
        _check_open(*args[:3])


def _check_open(path: object, mode: object = None, flags: object = 0) -> None:
    if not isinstance(path, (str, bytes)):
        return  # a descriptor that is open already
    name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - must not touch the disk
    if name.startswith(WRITABLE) or name.endswith(".pyc") or ".pyc." in name:
        return
    writes = isinstance(flags, int) and bool(flags & WRITE_FLAGS)
    if isinstance(mode, str):
        writes = writes or any(letter in mode for letter in "wax+")
    source = name.startswith(ROOT) and name.endswith(".py")
    if writes or not (source or name.startswith(READABLE)):
        _refuse(f"open {name} ({mode or flags})")


def _refuse(what: str) -> None:
    _state["pure"] = False  # the failure itself may read sources
    pytest.fail(f"a pure test touched the outside: {what}", pytrace=True)
