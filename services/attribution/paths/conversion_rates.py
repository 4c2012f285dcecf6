"""Shapley models that ask for conversion rates, and so for the paths without conversion too."""

from __future__ import annotations

from itertools import pairwise
from math import factorial

import numpy as np

from services.attribution.paths.credit import Credit, divided
from services.attribution.paths.summary import Floats, Ints, Paths, distinct, tally

MAX_CHANNELS = 20
_CODE = np.dtype("<u4")


class TooManyChannels(ValueError):
    """There are more channels than coalitions can be enumerated for."""


def by_marginals(paths: Paths) -> Credit:
    """The conversion-rate game, path by path, as Google's and Snowplow's fractribution play it.

    The worth of a path is its rate, conversions / (conversions + nulls); a path nobody took is
    worth 0. A touch gets its marginal contribution, the worth of its path less the worth of that
    path without the touch, not below 0, divided by the sum of those of the path; a single touch
    gets all, and if no touch contributes anything, the last one does.
    """
    keys = _keys(paths)
    rates = _rates(keys, paths)
    conversions = np.zeros(len(paths.channels), dtype=np.longdouble)
    value = np.zeros(len(paths.channels), dtype=np.longdouble)
    for path in np.flatnonzero((paths.conversions > 0) | (paths.value != 0)):
        own = paths.codes[paths.starts[path] : paths.starts[path + 1]]
        shares = np.array(_marginals(keys[path], rates))
        np.add.at(conversions, own, shares * paths.conversions[path])
        np.add.at(value, own, shares * paths.value[path])
    return Credit(conversions.astype(np.float64), value.astype(np.float64))


def _keys(paths: Paths) -> list[bytes]:
    width = _CODE.itemsize
    text = paths.codes.astype(_CODE).tobytes()
    bounds = (paths.starts * width).tolist()
    return [text[start:end] for start, end in pairwise(bounds)]


def _rates(keys: list[bytes], paths: Paths) -> dict[bytes, float]:
    """Return the conversion rate of each path that somebody took."""
    converted: dict[bytes, float] = {}
    taken: dict[bytes, float] = {}
    for key, won, lost in zip(keys, paths.conversions.tolist(), paths.nulls.tolist(), strict=True):
        converted[key] = converted.get(key, 0.0) + won
        taken[key] = taken.get(key, 0.0) + won + lost
    return {key: converted[key] / count for key, count in taken.items() if count}


def _marginals(key: bytes, rates: dict[bytes, float]) -> list[float]:
    """Return the shares of the touches of one path; they sum to 1."""
    width = _CODE.itemsize
    if len(key) == width:
        return [1.0]
    worth = rates.get(key, 0.0)
    places = range(0, len(key), width)
    found = [max(worth - rates.get(key[:at] + key[at + width :], 0.0), 0.0) for at in places]
    total = sum(found)
    if not total:
        return [0.0] * (len(found) - 1) + [1.0]
    return [each / total for each in found]


def by_coalitions(paths: Paths) -> Credit:
    """Divide conversions and value by the Shapley values of the conversion-rate game.

    The players are the channels; a coalition is worth the rate, conversions / (conversions +
    nulls), over all paths that need no other channel, and 0 if there are none. The values sum to
    the rate over all paths. A channel that lowers rates has a negative value and gets less than
    nothing. Errors: TooManyChannels beyond MAX_CHANNELS, since 2^n coalitions are looked at.
    """
    return divided(paths, coalition_values(paths))


def coalition_values(paths: Paths) -> Floats:
    """Return the Shapley value of each channel in the conversion-rate game, exactly."""
    players = len(paths.channels)
    if players > MAX_CHANNELS:
        raise TooManyChannels(
            f"the game over coalitions takes at most {MAX_CHANNELS} channels, and here are "
            f"{players}: group the small ones, or take another model"
        )
    worth = _worth(paths, players)
    size = np.bitwise_count(np.arange(1 << players, dtype=np.uint32)).astype(np.int64)
    chance = np.array(
        [factorial(s) * factorial(players - s - 1) / factorial(players) for s in range(players)]
    )
    found = np.empty(players)
    for player in range(players):
        pairs = worth.reshape(-1, 2, 1 << player)
        before = size.reshape(-1, 2, 1 << player)[:, 0]
        found[player] = (chance[before] * (pairs[:, 1] - pairs[:, 0])).sum()
    return found


def _worth(paths: Paths, players: int) -> Floats:
    """Return the conversion rate of each coalition; bit `i` of its number is channel `i`."""
    once = distinct(paths)
    bits = np.left_shift(np.int64(1), once.codes)
    sets: Ints = np.add.reduceat(bits, once.starts[:-1]) if len(bits) else bits
    won, all_ = (
        _subset_sums(tally(sets, weights, 1 << players), players)
        for weights in (paths.conversions, paths.conversions + paths.nulls)
    )
    return np.divide(won, all_, out=np.zeros_like(won), where=all_ > 0)


def _subset_sums(weights: Floats, players: int) -> Floats:
    """Add to each set the weights of all its subsets."""
    sums = weights.copy()
    for player in range(players):
        pairs = sums.reshape(-1, 2, 1 << player)
        pairs[:, 1] += pairs[:, 0]
    return sums
