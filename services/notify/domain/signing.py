"""The signature of a postback: HMAC-SHA256 over timestamp, method, URL and body."""

from __future__ import annotations

import hmac

SIGNATURE = "X-Afflux-Signature"
TIMESTAMP = "X-Afflux-Timestamp"
KEY_ID = "X-Afflux-Key"


def signed_text(timestamp_s: int, method: str, url: str, body: bytes) -> bytes:
    """Return what is signed: three lines, then the body as it is sent."""
    return f"{timestamp_s}\n{method}\n{url}\n".encode() + body


def signature(key: bytes, timestamp_s: int, method: str, url: str, body: bytes) -> str:
    """Return the signature in hexadecimal digits."""
    return hmac.digest(key, signed_text(timestamp_s, method, url, body), "sha256").hex()
