"""Whose secret token it is."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping

from afflux.kernel.catalog import Advertiser
from afflux.kernel.keys import derive_key, postback_token


class Tokens:
    """The tokens of all advertisers: the current generation and those not over yet."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._blind = derive_key(secret, "token-lookup")
        self._made: dict[tuple[int, int], str] = {}
        self._seen: Mapping[int, Advertiser] | None = None
        self._owners: dict[bytes, int] = {}

    def is_token(self, text: str, advertiser: Advertiser) -> bool:
        """Return whether it is this advertiser's; takes the same time wherever it differs."""
        given = text.encode("utf-8", "replace")
        return any(hmac.compare_digest(token.encode(), given) for token in self._of(advertiser))

    def owner(self, text: str, advertisers: Mapping[int, Advertiser]) -> Advertiser | None:
        """Return the advertiser with this token: one look-up, however many advertisers there are.

        It is looked up by a keyed hash, so that the time it takes tells nothing of any token.
        """
        if advertisers is not self._seen:
            self._owners = {
                self._hidden(token): advertiser.id
                for advertiser in advertisers.values()
                for token in self._of(advertiser)
            }
            self._seen = advertisers
        found = self._owners.get(self._hidden(text))
        return None if found is None else advertisers.get(found)

    def _of(self, advertiser: Advertiser) -> Iterator[str]:
        for generation in (advertiser.token_generation, *advertiser.old_token_generations):
            key = (advertiser.id, generation)
            token = self._made.get(key)
            if token is None:
                token = self._made[key] = postback_token(self._secret, *key)
            yield token

    def _hidden(self, text: str) -> bytes:
        return hmac.digest(self._blind, text.encode("utf-8", "replace"), "sha256")
