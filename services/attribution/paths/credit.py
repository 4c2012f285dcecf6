"""What a model gives each channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.attribution.paths.summary import Floats, Paths


@dataclass(frozen=True)
class Credit:
    """Conversions and value by channel, in the order of `Paths.channels`."""

    conversions: Floats
    value: Floats


def divided(paths: Paths, weights: Floats) -> Credit:
    """Divide all conversions and all value by the same weights, which need not sum to 1.

    Without any weight there is nothing to divide by, and every channel gets nothing.
    """
    total = weights.sum()
    shares = weights / total if total else np.zeros_like(weights)
    return Credit(shares * paths.conversions.sum(), shares * paths.value.sum())
