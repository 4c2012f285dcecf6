"""Weights of channels for live use: how much a channel's presence in a journey counts."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from services.attribution.paths.markov import removal_effects
from services.attribution.paths.summary import Floats, Paths, distinct, tally
from services.attribution.paths.touches import shapley

_PLACES = Decimal("1e-9")


def fit(paths: Paths, model: str, order: int = 1) -> dict[str, str]:
    """Return the weight of each channel by model `markov` or `shapley`, as decimal text in 0..1.

    Markov: the removal effect. Shapley: the value of the sum game divided by the conversions whose
    journey had the channel, its mean share of them; so a big channel does not outweigh a small one
    by its size. Rounded to 9 places.
    """
    found = removal_effects(paths, order) if model == "markov" else _mean_shares(paths)
    return {
        channel: f"{Decimal(weight).quantize(_PLACES).normalize():f}"
        for channel, weight in zip(paths.channels, found.tolist(), strict=True)
    }


def _mean_shares(paths: Paths) -> Floats:
    once = distinct(paths)
    had = tally(once.codes, np.repeat(once.conversions, once.lengths), len(once.channels))
    return np.divide(shapley(paths).conversions, had, out=np.zeros_like(had), where=had > 0)
