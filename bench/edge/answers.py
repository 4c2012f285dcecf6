"""Reading HTTP/1.1 answers out of a stream of bytes. Pure."""

from __future__ import annotations

import re

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"


def take_answer(data: bytes) -> tuple[int, int] | None:
    """Return status and size in bytes of the answer that `data` begins with; None: not whole yet.

    Errors: ValueError when it is no HTTP/1.1 answer. Bodies in chunks are not understood: no
    redirect of a server under test has one.
    """
    end = data.find(_END)
    if end < 0:
        return None
    if not data.startswith(b"HTTP/1.1 ") or not data[9:12].isdigit():
        raise ValueError(f"not an HTTP/1.1 answer: {data[:40]!r}")
    size = end + len(_END)
    if length := _LENGTH.search(data, 0, size):
        size += int(length[1])
    return (int(data[9:12]), size) if len(data) >= size else None
