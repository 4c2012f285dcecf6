"""A body as its sender meant it: unpacked, with a bound on what it may unpack to."""

from __future__ import annotations

import zlib

from services.tracking.domain.refusal import Refusal

MAX_MEMBERS = 16
"""Members of a gzip body. Each costs a copy of all behind it, so many would cost their square."""
_GZIP = zlib.MAX_WBITS | 16
_PLAIN = frozenset(("", "identity"))
_ZIPPED = frozenset(("gzip", "x-gzip"))


def unpack(body: bytes, encoding: str | None, limit: int) -> bytes | Refusal:
    """Return the body behind a Content-Encoding, or why it cannot be had.

    A gzip body may be made of up to MAX_MEMBERS members, one after the other.
    Never more than `limit` + 1 bytes are unpacked, whatever a body claims to hold.
    """
    name = (encoding or "").strip().lower()
    if name in _PLAIN:
        return body
    if name not in _ZIPPED:
        return Refusal("encoding_unknown", f"send gzip or nothing, not {name[:40]!r}")
    try:
        return _gunzip(body, limit)
    except zlib.error as error:
        return Refusal("body_invalid", f"the body is not gzip: {error}")


def _gunzip(body: bytes, limit: int) -> bytes | Refusal:
    out = b""
    rest = body
    for _ in range(MAX_MEMBERS):
        member = zlib.decompressobj(_GZIP)
        out += member.decompress(rest, limit + 1 - len(out))
        if len(out) > limit:
            return Refusal("body_too_large", f"it unpacks to more than {limit} bytes")
        if not member.eof:
            return Refusal("body_invalid", "the gzip body ends too early")
        if not member.unused_data:
            return out
        rest = member.unused_data
    return Refusal("body_invalid", f"the gzip body has more than {MAX_MEMBERS} members")
