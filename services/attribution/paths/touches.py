"""Models that look at one path at a time: a touch's share depends on its place alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from services.attribution.paths.credit import Credit
from services.attribution.paths.summary import Floats, Ints, Paths, distinct, tally

Places = Sequence[tuple[slice, float]]
"""Ranges of places in a path, each with the share of every touch in it."""
Rule = Callable[[int], Places]


def first(length: int) -> Places:
    """All to the first touch."""
    return [(slice(0, 1), 1.0)]


def last(length: int) -> Places:
    """All to the last touch."""
    return [(slice(length - 1, length), 1.0)]


def linear(length: int) -> Places:
    """The same to each touch: 1/n."""
    return [(slice(0, length), 1 / length)]


def position(length: int) -> Places:
    """1 -> 1; 2 -> 1/2, 1/2; n -> 2/5, (1/5)/(n - 2) each, 2/5 (law A1)."""
    if length <= 2:
        return linear(length)
    middle = (slice(1, length - 1), 0.2 / (length - 2))
    return [(slice(0, 1), 0.4), middle, (slice(length - 1, length), 0.4)]


def time_decay(half_life: float = 1.0) -> Rule:
    """2^(-k / half_life) for the touch k steps before the last, divided by their sum.

    Paths from a file have no times, so one step is the unit of time.
    """

    def rule(length: int) -> Places:
        weights = np.exp2(-np.arange(length - 1, -1, -1, dtype=np.float64) / half_life)
        shares = weights / weights.sum()
        return [(slice(at, at + 1), float(share)) for at, share in enumerate(shares)]

    return rule


def by_place(paths: Paths, rule: Rule) -> Credit:
    """Credit every touch with its share of its path's conversions and value.

    Counts are summed before they are multiplied by a share, and whole counts sum exactly: the
    order of paths, and in how many rows they come, changes nothing.
    """
    conversions = np.zeros(len(paths.channels), dtype=np.longdouble)
    value = np.zeros(len(paths.channels), dtype=np.longdouble)
    lengths = paths.lengths
    for length in np.unique(lengths):
        chosen = np.flatnonzero(lengths == length)
        touches = paths.codes[paths.starts[chosen][:, None] + np.arange(length)]
        for places, share in rule(int(length)):
            part = touches[:, places]
            conversions += share * _summed(part, paths.conversions[chosen], len(conversions))
            if paths.valued:
                value += share * _summed(part, paths.value[chosen], len(value))
    return Credit(conversions.astype(np.float64), value.astype(np.float64))


def shapley(paths: Paths) -> Credit:
    """Shapley values of the sum game, where a coalition is worth the conversions of the paths it
    covers: every path is divided equally among its distinct channels.

    Source: Zhao, Mahboobi, Bagheri, Shapley value methods for attribution modeling in online
    advertising, arXiv:1804.05327 (2018), the simplified form.
    """
    return by_place(distinct(paths), linear)


def _summed(codes: Ints, weights: Floats, channels: int) -> Floats:
    each = np.repeat(weights, codes.shape[1])
    return tally(codes.ravel(), each, channels)
