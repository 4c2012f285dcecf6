"""Kafka's default partitioner (murmur2 of the key), for many keys at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from aiokafka.partitioner import murmur2

_WIDTH = 16
_SEED = np.uint32(0x9747B28C ^ _WIDTH)
_M = np.uint32(0x5BD1E995)
_MASK = np.uint32(0x7FFFFFFF)


def choose(keys: Sequence[bytes], partitions: int) -> list[int]:
    """Return, for each key, the number of its partition among `partitions`, as Kafka's own clients
    choose it. Keys of 16 bytes, which ids are, are hashed together."""
    joined = b"".join(keys)
    if len(joined) != _WIDTH * len(keys) or any(len(key) != _WIDTH for key in keys):
        return [(murmur2(key) & 0x7FFFFFFF) % partitions for key in keys]
    hashed = _murmur2(np.frombuffer(joined, "<u4").reshape(-1, _WIDTH // 4))
    chosen: list[int] = ((hashed & _MASK) % np.uint32(partitions)).tolist()
    return chosen


def _murmur2(
    words: np.ndarray[tuple[int, int], np.dtype[np.uint32]],
) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """Return the hash of each row of four little-endian words; arithmetic wraps at 32 bits."""
    state = np.full(len(words), _SEED, np.uint32)
    for column in range(_WIDTH // 4):
        mixed = words[:, column] * _M
        mixed ^= mixed >> np.uint32(24)
        mixed *= _M
        state *= _M
        state ^= mixed
    state ^= state >> np.uint32(13)
    state *= _M
    state ^= state >> np.uint32(15)
    return state
