"""All keys derive from one master secret, so none is stored or published."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode

MIN_SECRET = 32


def derive_key(secret: bytes, *purpose: str | int) -> bytes:
    """Return 32 bytes for `purpose`: HMAC-SHA256 of the purpose under the master secret."""
    if len(secret) < MIN_SECRET:
        raise ValueError(f"the master secret needs at least {MIN_SECRET} bytes, got {len(secret)}")
    return hmac.digest(secret, "\x00".join(map(str, purpose)).encode(), "sha256")


def click_key(secret: bytes, key_id: int) -> bytes:
    """Return the key that signs click ids under `key_id`."""
    return derive_key(secret, "click", key_id)


def postback_key(secret: bytes, advertiser_id: int, key_id: str) -> bytes:
    """Return the HMAC key of one advertiser's postbacks, as the text the advertiser is given."""
    return urlsafe_b64encode(derive_key(secret, "postback", advertiser_id, key_id)).rstrip(b"=")


def network_key(secret: bytes, advertiser_id: int) -> bytes:
    """Return the key with which the network itself signs reports on an advertiser's behalf."""
    return urlsafe_b64encode(derive_key(secret, "network", advertiser_id)).rstrip(b"=")


def postback_token(secret: bytes, advertiser_id: int, generation: int) -> str:
    """Return the secret token of one advertiser's postbacks."""
    raw = derive_key(secret, "token", advertiser_id, generation)[:24]
    return urlsafe_b64encode(raw).decode()


def partner_key(secret: bytes, partner_id: int, key_id: str) -> bytes:
    """Return the HMAC key of the postbacks to one partner, as the text the partner is given."""
    raw = derive_key(secret, "partner-postback", partner_id, key_id)
    return urlsafe_b64encode(raw).rstrip(b"=")
