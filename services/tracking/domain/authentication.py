"""Who sent a report: an HMAC over the request, or an advertiser's secret token (law T3)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from msgspec import Struct

from afflux.kernel.catalog import Advertiser, State
from afflux.kernel.events import Authentication
from afflux.kernel.keys import postback_key, postback_token
from afflux.kernel.types import Millis
from services.tracking.domain.nonces import Nonces
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.signature import WINDOW_S, matches, message, nonce_is_wellformed


class Request(Struct, frozen=True):
    """A report as it came in; `query` is raw, `header` looks a header up by its lower-case name,
    `address` is the client's."""

    method: str
    path: str
    query: str
    body: bytes
    content_type: str | None
    header: Callable[[str], str | None]
    received_at: Millis
    address: str = ""


class Credentials(Struct, frozen=True):
    """What a report says about its sender."""

    advertiser: str | None = None
    token: str | None = None
    kid: str | None = None
    ts: str | None = None
    nonce: str | None = None
    sig: str | None = None


class Identity(Struct, frozen=True):
    """Who it is, and how that was proven."""

    advertiser: Advertiser
    authentication: Authentication


def read_credentials(params: Mapping[str, object], request: Request) -> Credentials:
    """Return the credentials in the parameters (advertiser, token, kid, ts, nonce, sig), else in
    the headers (Authorization: Bearer, X-Afflux-Advertiser, -Key, -Timestamp, -Nonce, -Signature).
    """

    def pick(name: str, header: str) -> str | None:
        value = params.get(name)
        return str(value) if value not in (None, "") else request.header(f"x-afflux-{header}")

    bearer = request.header("authorization") or ""
    scheme, _, text = bearer.partition(" ")
    own = params.get("token")
    return Credentials(
        advertiser=pick("advertiser", "advertiser"),
        token=str(own) if own else (text.strip() if scheme.lower() == "bearer" else None),
        kid=pick("kid", "key"),
        ts=pick("ts", "timestamp"),
        nonce=pick("nonce", "nonce"),
        sig=pick("sig", "signature"),
    )


class Authenticator:
    """Checks credentials against keys derived from the master secret."""

    def __init__(self, secret: bytes, nonces: Nonces) -> None:
        self._secret = secret
        self._nonces = nonces
        self._tokens: dict[tuple[int, int], str] = {}

    def check(
        self, given: Credentials, request: Request, advertisers: Mapping[int, Advertiser]
    ) -> Identity | Refusal:
        """Return who sent the request, or why that is not known."""
        if given.sig is None and given.token is None:
            return Refusal("authentication_missing", "send a token, or kid, ts, nonce and sig")
        found = self._advertiser(given, advertisers)
        if isinstance(found, Refusal):
            return found
        refusal = (
            self._check_signature(given, request, found)
            if given.sig is not None
            else self._check_token(given, found)
        )
        if refusal is None and found.status is not State.ACTIVE:
            refusal = Refusal("advertiser_paused", f"advertiser {found.id} is paused")
        if refusal is not None:
            return refusal
        how = Authentication.TOKEN if given.sig is None else Authentication.HMAC
        return Identity(found, how)

    def _advertiser(
        self, given: Credentials, advertisers: Mapping[int, Advertiser]
    ) -> Advertiser | Refusal:
        text = given.advertiser
        if text is None and given.token is not None:
            for known in advertisers.values():
                if self._is_token(given.token, known):
                    return known
            return Refusal("token_wrong", "the token is no advertiser's", "token")
        if text is None:
            return Refusal("authentication_missing", "advertiser is required", "advertiser")
        found = None
        if text.isascii() and text.isdigit() and len(text) < 20:
            found = advertisers.get(int(text))
        return found or Refusal(
            "advertiser_unknown", f"no advertiser has the id {text[:40]!r}", "advertiser"
        )

    def _check_token(self, given: Credentials, advertiser: Advertiser) -> Refusal | None:
        if not self._is_token(given.token or "", advertiser):
            return Refusal("token_wrong", "the token does not match", "token")
        if not advertiser.allow_token:
            return Refusal("token_not_allowed", "sign the report: kid, ts, nonce, sig", "token")
        return None

    def _is_token(self, text: str, advertiser: Advertiser) -> bool:
        key = (advertiser.id, advertiser.token_generation)
        token = self._tokens.get(key)
        if token is None:
            token = self._tokens[key] = postback_token(self._secret, *key)
        return hmac.compare_digest(token.encode(), text.encode("utf-8", "replace"))

    def _check_signature(
        self, given: Credentials, request: Request, advertiser: Advertiser
    ) -> Refusal | None:
        ts, nonce, kid = given.ts or "", given.nonce or "", given.kid or ""
        for name, value in (("kid", kid), ("ts", ts), ("nonce", nonce)):
            if not value:
                return Refusal("authentication_missing", f"{name} is required with sig", name)
        if kid not in advertiser.key_ids:
            return Refusal("key_unknown", f"{kid[:40]!r} is not an active key", "kid")
        now_s = request.received_at // 1000
        if not (
            ts.isascii() and ts.isdigit() and len(ts) < 12 and abs(int(ts) - now_s) <= WINDOW_S
        ):
            return Refusal("timestamp_outside", f"{ts[:20]!r}; the edge has {now_s}", "ts")
        if not nonce_is_wellformed(nonce):
            return Refusal("field_invalid", "a nonce has 8 to 64 of A-Z a-z 0-9 - _", "nonce")
        signed = message(request.method, request.path, request.query, ts, nonce, request.body)
        key = postback_key(self._secret, advertiser.id, kid)
        if not matches(key, signed, given.sig or ""):
            return Refusal("signature_wrong", "the signature does not match the request", "sig")
        if not self._nonces.first_use(advertiser.id, nonce, int(ts), now_s):
            return Refusal("nonce_used", "sign again with a new nonce", "nonce")
        return None
