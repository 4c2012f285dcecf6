"""Who sent a report: an HMAC over the request, or an advertiser's secret token (law T3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import ip_network

from msgspec import Struct

from afflux.kernel.catalog import Advertiser, State
from afflux.kernel.events import Authentication
from afflux.kernel.keys import network_key, postback_key
from afflux.kernel.types import Millis
from services.tracking.domain.addresses import Network, is_within
from services.tracking.domain.nonces import Nonces
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.signature import WINDOW_S, matches, message, nonce_is_wellformed
from services.tracking.domain.tokens import Tokens

NETWORK_KID = "@network"
"""Key id of what the network resubmits for an advertiser; no catalogue can declare it."""
RECEIVED_AT = "afflux_received_at"
"""When a resubmitted report first came in, epoch milliseconds; only the network may say so."""


class Request(Struct, frozen=True):
    """A report as it came in; `query` is raw, `header` looks a header up by its lower-case name.

    `address` is the client's, as `addresses` found it.
    """

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
    received_at: str | None = None


class Identity(Struct, frozen=True):
    """Who it is, and how that was proven.

    `first_received_at` is when a report that the network resubmits first came in.
    """

    advertiser: Advertiser
    authentication: Authentication
    first_received_at: Millis | None = None


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
        received_at=str(params[RECEIVED_AT]) if RECEIVED_AT in params else None,
    )


class Authenticator:
    """Checks credentials against keys derived from the master secret."""

    def __init__(self, secret: bytes, nonces: Nonces) -> None:
        self._secret = secret
        self._nonces = nonces
        self._tokens = Tokens(secret)

    def check(
        self, given: Credentials, request: Request, advertisers: Mapping[int, Advertiser]
    ) -> Identity | Refusal:
        """Return who sent the request, or why that is not known.

        A proven sender is refused still if it is paused or sends from elsewhere than its
        `report_networks`; the network, which resubmits for it, is not bound to them.
        """
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
        by_network = given.sig is not None and given.kid == NETWORK_KID
        refusal = refusal or _not_welcome(found, request, by_network)
        if refusal is not None:
            return refusal
        how = Authentication.TOKEN if given.sig is None else Authentication.HMAC
        return Identity(found, how, _instant(given.received_at) if by_network else None)

    def _advertiser(
        self, given: Credentials, advertisers: Mapping[int, Advertiser]
    ) -> Advertiser | Refusal:
        text = given.advertiser
        if text is None and given.token is not None:
            owner = self._tokens.owner(given.token, advertisers)
            return owner or Refusal("token_wrong", "the token is no advertiser's", "token")
        if text is None:
            return Refusal("authentication_missing", "advertiser is required", "advertiser")
        found = None
        if text.isascii() and text.isdigit() and len(text) < 20:
            found = advertisers.get(int(text))
        return found or Refusal(
            "advertiser_unknown", f"no advertiser has the id {text[:40]!r}", "advertiser"
        )

    def _check_token(self, given: Credentials, advertiser: Advertiser) -> Refusal | None:
        if not self._tokens.is_token(given.token or "", advertiser):
            return Refusal("token_wrong", "the token does not match", "token")
        if not advertiser.allow_token:
            detail = "sign the report: kid, ts, nonce, sig"
            return Refusal("token_not_allowed", detail, "token", sender=advertiser.id)
        return None

    def _check_signature(
        self, given: Credentials, request: Request, advertiser: Advertiser
    ) -> Refusal | None:
        ts, nonce, kid = given.ts or "", given.nonce or "", given.kid or ""
        for name, value in (("kid", kid), ("ts", ts), ("nonce", nonce)):
            if not value:
                return Refusal("authentication_missing", f"{name} is required with sig", name)
        key = self._key(advertiser, kid)
        if key is None:
            return Refusal("key_unknown", f"{kid[:40]!r} is not an active key", "kid")
        now_s = request.received_at // 1000
        if not (
            ts.isascii() and ts.isdigit() and len(ts) < 12 and abs(int(ts) - now_s) <= WINDOW_S
        ):
            return Refusal("timestamp_outside", f"{ts[:20]!r}; the edge has {now_s}", "ts")
        if not nonce_is_wellformed(nonce):
            return Refusal("field_invalid", "a nonce has 8 to 64 of A-Z a-z 0-9 - _", "nonce")
        signed = message(request.method, request.path, request.query, ts, nonce, request.body)
        if not matches(key, signed, given.sig or ""):
            return Refusal("signature_wrong", "the signature does not match the request", "sig")
        if not self._nonces.first_use(advertiser.id, nonce, now_s):
            return Refusal("nonce_used", "sign again with a new nonce", "nonce")
        return None

    def _key(self, advertiser: Advertiser, kid: str) -> bytes | None:
        if kid == NETWORK_KID:
            return network_key(self._secret, advertiser.id)
        return postback_key(self._secret, advertiser.id, kid) if kid in advertiser.key_ids else None


def _not_welcome(advertiser: Advertiser, request: Request, by_network: bool) -> Refusal | None:
    if advertiser.status is not State.ACTIVE:
        detail = f"advertiser {advertiser.id} is paused"
        return Refusal("advertiser_paused", detail, sender=advertiser.id)
    networks = advertiser.report_networks
    if networks and not by_network and not is_within(request.address, _networks(tuple(networks))):
        return Refusal(
            "address_not_allowed",
            f"the report came from {request.address or 'an unknown address'}",
            sender=advertiser.id,
        )
    return None


@lru_cache(maxsize=1_024)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(map(ip_network, texts))


def _instant(text: str | None) -> Millis | None:
    valid = text is not None and text.isascii() and text.isdigit() and len(text) < 15
    return Millis(int(text)) if valid and text is not None else None
