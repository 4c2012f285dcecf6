"""Nonces seen within the replay window, in bounded memory."""

from __future__ import annotations

from services.tracking.domain.signature import WINDOW_S

MAX_NONCES = 400_000


class Nonces:
    """Remembers (advertiser, nonce) for as long as its timestamp could be accepted again.

    They are in buckets of `WINDOW_S` by timestamp. When `limit` are held, the bucket that expires
    first goes: from then on a replay from that bucket passes here, and law I2 answers it as the
    repeat it is. The same holds after a restart, which forgets all nonces.
    """

    def __init__(self, limit: int = MAX_NONCES) -> None:
        self._buckets: dict[int, set[tuple[int, str]]] = {}
        self._limit = limit

    def first_use(self, advertiser_id: int, nonce: str, timestamp_s: int, now_s: int) -> bool:
        """Note a nonce; return False if it was used before."""
        self._forget(now_s)
        entry = (advertiser_id, nonce)
        if any(entry in bucket for bucket in self._buckets.values()):
            return False
        self._buckets.setdefault(timestamp_s // WINDOW_S, set()).add(entry)
        return True

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def _forget(self, now_s: int) -> None:
        oldest = (now_s - WINDOW_S) // WINDOW_S
        for bucket in [bucket for bucket in self._buckets if bucket < oldest]:
            del self._buckets[bucket]
        if len(self) >= self._limit:
            del self._buckets[min(self._buckets)]
