"""Chances of conversion in a big chain, by following it step by step until all is absorbed."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, diags_array

from services.attribution.paths.chain import Chain
from services.attribution.paths.summary import Floats

_LEFT = 1e-13
_TOGETHER = 64


def lost_by_steps(chain: Chain, channels: int) -> Floats:
    """Return, by channel, the conversions that are lost when every visit of it leads to null.

    After k steps the chance of conversion from a state is short of the truth by at most the
    chance not to be absorbed in k steps, which removing a channel only lowers. That falls
    geometrically; the steps end when it is below 1e-13 from every state. So each loss is exact
    to 1e-13 of all conversions, and since the losses sum to all of them at least (a conversion
    without a channel there is not), each credit is too.
    """
    visits = chain.leaving.diagonal()
    moves = csr_array(diags_array(1 / visits) @ (diags_array(visits) - chain.leaving))
    steps = _steps(moves)
    lost = np.zeros(channels)
    present = np.unique(chain.channel)
    for start in range(0, len(present), _TOGETHER):
        wanted = present[start : start + _TOGETHER]
        gone = chain.channel[:, None] == wanted
        ending = np.where(gone, 0.0, (chain.converting / visits)[:, None])
        chances = np.zeros_like(ending)
        for _ in range(steps):
            chances = moves @ chances
            chances += ending
            chances[gone] = 0.0
        lost[wanted] = chain.converting.sum() - chain.starting @ chances
    return lost


def _steps(moves: csr_array) -> int:
    """Return after how many steps nearly nothing is left in the chain, from any state."""
    left = np.ones(moves.shape[0])
    steps = 0
    while left.max(initial=0.0) > _LEFT:
        left = moves @ left
        steps += 1
    return steps
