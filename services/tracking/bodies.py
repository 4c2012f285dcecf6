"""Reading a body off the wire: whole, within a size and a time, or not at all."""

from __future__ import annotations

import asyncio

from services.tracking.domain.refusal import Refusal
from services.tracking.server import Scope, Wire

MAX_DISCARDED = 8 << 20
"""A body over its limit is read to its end, and thrown away, up to this size: who is answered while
still sending may find the connection reset and never see the answer."""
_CUT = Refusal("body_cut", "the connection ended before the body did")


async def read_body(scope: Scope, wire: Wire, limit: int, read_s: float) -> bytes | Refusal:
    """Return the body, or why there is none: part of a report is never taken for all of it."""
    if scope.method in ("GET", "HEAD"):
        return b""
    too_large = Refusal("body_too_large", f"at most {limit} bytes are allowed")
    declared = scope.headers.get("content-length")
    if declared is not None and not (declared.isascii() and declared.isdigit()):
        return Refusal("body_invalid", f"{declared[:40]!r} is no Content-Length")
    if declared is not None and int(declared) > MAX_DISCARDED:
        return too_large
    try:
        async with asyncio.timeout(read_s):
            chunks, size, is_whole = await _read(wire, limit)
    except TimeoutError:
        return Refusal("body_too_slow", f"the body did not come within {read_s:g} s")
    if size > limit:
        return too_large
    if not is_whole or (declared is not None and size != int(declared)):
        return _CUT
    return b"".join(chunks)


async def _read(wire: Wire, limit: int) -> tuple[list[bytes], int, bool]:
    """Return the chunks (none once they are over the limit), their size, and whether they ended as
    they should: Granian gives an empty chunk at the end, and one more for an error before it."""
    chunks: list[bytes] = []
    size = ends = 0
    async for chunk in wire:
        ends += not chunk
        size += len(chunk)
        if size > MAX_DISCARDED:
            break
        if size <= limit:
            chunks.append(chunk)
        else:
            chunks.clear()
    return chunks, size, ends <= 1
