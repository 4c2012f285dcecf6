"""The click id: a signed token that cannot be forged (law T3).

Layout before base64url (no padding): version 1 byte, key id 1 byte, click ulid 16, visitor key 16,
then offer, advertiser, partner and link as unsigned LEB128, then the first 128 bits of a keyed
BLAKE2b over all before it. The click's time is inside the ulid.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import b2a_base64
from collections.abc import Mapping
from hashlib import blake2b
from hmac import compare_digest

from msgspec import Struct

from afflux.kernel.ids import ulid_time
from afflux.kernel.types import Id16, Millis

_VERSION = 1
_MAC = 16
_HEAD = 2 + 16 + 16
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
MAX_LENGTH = 160
"""No genuine token is longer than this many characters."""


class ClickToken(Struct, frozen=True):
    """What a click id carries."""

    click_id: Id16
    visitor_key: Id16
    offer_id: int
    advertiser_id: int
    partner_id: int
    link_id: int

    @property
    def clicked_at(self) -> Millis:
        """When the click was received."""
        return ulid_time(self.click_id)


class TokenError(ValueError):
    """The token is not ours; `reason` is a reason code."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Signer:
    """Signs click ids under one key. It keeps the keyed state of the hash, which costs as much to
    make as a signature. Not for several threads at once."""

    def __init__(self, key_id: int, key: bytes) -> None:
        """`key` has 16 to 64 bytes, `key_id` is 0 to 255."""
        self._head = bytes((_VERSION, key_id))
        self._state = _keyed(key)

    def sign(self, click_id: bytes, visitor_key: bytes, tail: bytes) -> str:
        """Return the token as text for URLs; `tail` is the `token_tail` of its link."""
        body = b"".join((self._head, click_id, visitor_key, tail))
        mac = self._state.copy()
        mac.update(body)
        text = b2a_base64(body + mac.digest(), newline=False)
        return text.translate(_URL_SAFE, b"=").decode("ascii")


def token_tail(offer_id: int, advertiser_id: int, partner_id: int, link_id: int) -> bytes:
    """Return what the tokens of all clicks on a link have in common."""
    return b"".join(map(_leb128, (offer_id, advertiser_id, partner_id, link_id)))


def sign(token: ClickToken, key_id: int, key: bytes) -> str:
    """Return the token as text for URLs; `key` has 16 to 64 bytes, `key_id` 0 to 255."""
    tail = token_tail(token.offer_id, token.advertiser_id, token.partner_id, token.link_id)
    return Signer(key_id, key).sign(token.click_id, token.visitor_key, tail)


def verify(text: str, keys: Mapping[int, bytes]) -> ClickToken:
    """Return what the token carries.

    Raises TokenError with `click_id_malformed`, `click_id_unknown_key` or `click_id_forged`.
    """
    raw = _decode(text)
    body, mac = raw[:-_MAC], raw[-_MAC:]
    key = keys.get(body[1])
    if key is None:
        raise TokenError("click_id_unknown_key", f"click id names key {body[1]}, not an active one")
    if not compare_digest(_mac(body, key), mac):
        raise TokenError("click_id_forged", "the click id's signature does not match")
    numbers = _numbers(body[_HEAD:])
    return ClickToken(Id16(body[2:18]), Id16(body[18:34]), *numbers)


def _decode(text: str) -> bytes:
    try:
        if not 0 < len(text) <= MAX_LENGTH:
            raise ValueError
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        if urlsafe_b64encode(raw).rstrip(b"=") != text.encode("ascii"):
            raise ValueError  # one click has one spelling: stray characters are not skipped
        if len(raw) < _HEAD + 4 + _MAC or raw[0] != _VERSION:
            raise ValueError
    except ValueError:
        raise TokenError("click_id_malformed", "that is not a click id of this network") from None
    return raw


def _keyed(key: bytes) -> blake2b:
    return blake2b(digest_size=_MAC, key=key, person=b"afflux-click")


def _mac(body: bytes, key: bytes) -> bytes:
    mac = _keyed(key)
    mac.update(body)
    return mac.digest()


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _numbers(data: bytes) -> tuple[int, int, int, int]:
    values: list[int] = []
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            values.append(value)
            value = shift = 0
    if len(values) != 4 or shift:
        raise TokenError("click_id_malformed", "that is not a click id of this network")
    return values[0], values[1], values[2], values[3]
