"""Nonces seen within the replay window, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict

from services.tracking.domain.signature import WINDOW_S

MAX_NONCES = 400_000


class Nonces:
    """Remembers (advertiser, nonce) for as long as its timestamp could be accepted again.

    A timestamp is at most `WINDOW_S` ahead when it is first seen and is good for `WINDOW_S` after
    it, so twice that is long enough for every nonce: they leave in the order in which they came,
    each step O(1). When `limit` are held the oldest one goes early: a replay of it passes here,
    and law I2 answers it as the repeat it is. The same holds after a restart, which forgets all.
    """

    def __init__(self, limit: int = MAX_NONCES) -> None:
        self._until: OrderedDict[tuple[int, str], int] = OrderedDict()
        self._limit = limit

    def first_use(self, advertiser_id: int, nonce: str, now_s: int) -> bool:
        """Note a nonce; return False if it was used before."""
        self._forget(now_s)
        entry = (advertiser_id, nonce)
        if entry in self._until:
            return False
        if len(self._until) >= self._limit:
            self._until.popitem(last=False)
        self._until[entry] = now_s + 2 * WINDOW_S
        return True

    def __len__(self) -> int:
        return len(self._until)

    def _forget(self, now_s: int) -> None:
        while self._until:
            entry, until = next(iter(self._until.items()))
            if until >= now_s:
                return
            del self._until[entry]
