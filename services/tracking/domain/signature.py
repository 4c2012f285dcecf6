"""The signature of reports (law T3).

signature = hex(HMAC-SHA256(key, METHOD \n PATH \n QUERY \n TIMESTAMP \n NONCE \n BODY)), where
QUERY is the raw query as sent without its `sig` parameter, TIMESTAMP is epoch seconds, NONCE is 8
to 64 letters, digits, `-` or `_`, used once, BODY the raw body (empty for GET), and key the text
of the advertiser's key as the network gave it out.
"""

from __future__ import annotations

import hmac
import re

WINDOW_S = 300
"""A timestamp may be this far from our clock."""
_NONCE = re.compile(r"[A-Za-z0-9_-]{8,64}")


def strip_sig(query: str) -> str:
    """Return the raw query without its `sig` parameter, all else untouched."""
    return "&".join(part for part in query.split("&") if not part.startswith("sig="))


def message(method: str, path: str, query: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    """Return the bytes that are signed; no part but the body can hold a newline."""
    head = "\n".join((method, path, strip_sig(query), timestamp, nonce))
    return head.encode("utf-8", "replace") + b"\n" + body


def compute(key: bytes, signed: bytes) -> str:
    """Return the signature in hex."""
    return hmac.digest(key, signed, "sha256").hex()


def matches(key: bytes, signed: bytes, signature: str) -> bool:
    """Return whether the signature is right; takes the same time wherever it differs."""
    return hmac.compare_digest(
        compute(key, signed).encode(), signature.lower().encode("utf-8", "replace")
    )


def nonce_is_wellformed(nonce: str) -> bool:
    """Return whether a nonce has the form asked for."""
    return _NONCE.fullmatch(nonce) is not None
