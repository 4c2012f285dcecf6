"""Free ports, taken ports, and whether something answers on one.

Ports are picked below the range the system lends to outgoing connections, and each is reserved
by a locked file for as long as its stack lives: two stacks that start at once on one machine,
or restart a process much later, never meet on a port.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

LOWEST, HIGHEST = 18_000, 31_999


def is_taken(host: str, port: int) -> bool:
    """Tell whether `host:port` cannot be bound now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def answers(host: str, port: int, timeout_s: float = 0.5) -> bool:
    """Tell whether a TCP connection to `host:port` is accepted within `timeout_s` seconds."""
    with suppress(OSError), socket.create_connection((host, port), timeout=timeout_s):
        return True
    return False


class Reservations:
    """Ports held by this process until `release`, or until it dies."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.gettempdir()) / f"afflux-ports-{os.getuid()}"
        self._locks: dict[int, int] = {}

    def free_port(self, host: str = "127.0.0.1") -> int:
        """Reserve and return a port that nothing uses.

        Errors: RuntimeError when 500 random ports were all in use.
        """
        for _ in range(500):
            port = random.randint(LOWEST, HIGHEST)
            if self.reserve(port, host):
                return port
        raise RuntimeError(f"no free port between {LOWEST} and {HIGHEST} on {host}")

    def reserve(self, port: int, host: str = "127.0.0.1") -> bool:
        """Reserve `port` if nobody holds it and nothing uses it; tell whether that worked."""
        if port in self._locks or not self._lock(port):
            return False
        if is_taken(host, port):
            self._unlock(port)
            return False
        return True

    def release(self) -> None:
        """Give all ports back."""
        for port in list(self._locks):
            self._unlock(port)

    def _lock(self, port: int) -> bool:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(self._folder / str(port), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._locks[port] = handle
        return True

    def _unlock(self, port: int) -> None:
        os.close(self._locks.pop(port))
