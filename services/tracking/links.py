"""Requests for links: which form it is, and what is no request for a link at all."""

from __future__ import annotations

from afflux.kernel.types import Millis
from services.tracking.click_path import Answer, ClickPath, Headers, Visit

MAX_QUERY = 8 << 10
_PAIR = "/click"
_TEXT = [("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")]


def is_link(path: str) -> bool:
    """Return whether a path is one of a link's: `/c/CODE`, `/i/CODE`, `/click`."""
    return path.startswith(("/c/", "/i/")) or path == _PAIR


def answer_link(
    clicks: ClickPath,
    method: str,
    path: str,
    query: str,
    headers: Headers,
    client: str,
    at: Millis,
) -> Answer:
    """Return the answer to a request whose path `is_link`."""
    if method not in ("GET", "HEAD"):
        return _malformed(405, b"use GET\n", ("allow", "GET, HEAD"))
    if len(query) > MAX_QUERY:
        return _malformed(414, f"the query has more than {MAX_QUERY} bytes\n".encode())
    code = path[3:]
    visit = Visit(code, query, headers, client, method == "HEAD", at)
    if path == _PAIR:
        return clicks.answer_pair(visit)
    return clicks.answer(visit) if path.startswith("/c/") else clicks.answer_view(visit)


def _malformed(status: int, body: bytes, *headers: tuple[str, str]) -> Answer:
    return Answer(status, [*_TEXT, *headers], body, None, "malformed")
