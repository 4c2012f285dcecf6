"""Removal effects of channels in the absorbing Markov chain of the paths, exactly.

Sources: Anderl, Becker, von Wangenheim, Schumann, Mapping the customer journey, International
Journal of Research in Marketing 33 (2016); Archak, Mirrokni, Muthukrishnan, Mining
advertiser-specific user behavior using adfactors, WWW 2010. Absorbing chains: Kemeny, Snell, Finite Markov chains (1960), chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

from services.attribution.paths.chain import Chain, build_chain
from services.attribution.paths.credit import Credit, divided
from services.attribution.paths.series import lost_by_steps
from services.attribution.paths.summary import Floats, Ints, Paths

MAX_CHANNELS = 10_000
MAX_STATES = 500_000
_DENSE = 3_000
_BLOCK = 256
Solve = Callable[[Floats], Floats]
"""Multiplies by the inverse of A."""


class TooManyStates(ValueError):
    """The chain has more states than can be solved in memory."""


def markov(paths: Paths, order: int = 1) -> Credit:
    """Divide conversions and value by the removal effects of the channels."""
    return divided(paths, removal_effects(paths, order))


def removal_effects(paths: Paths, order: int = 1) -> Floats:
    """Return, by channel, the share of conversions lost when every visit of it leads to null.

    With A = `Chain.leaving` (counts), M = inverse of A, x the chance of conversion from each state
    and J the states that end in the channel, the lost conversions are 1' (M_JJ)^-1 x_J, which for
    a single state is x_j / M_jj. A is factorised once; nothing is subtracted, so that small
    effects keep their digits. A chain of a higher order and thousands of states is followed step
    by step instead, since its factors would fill the memory. Errors: TooManyStates.
    """
    effects = np.zeros(len(paths.channels))
    total = paths.conversions.sum()
    if not total:
        return effects
    chain = build_chain(paths, order)
    states = len(chain.converting)
    limit = MAX_CHANNELS if order == 1 else MAX_STATES
    if states > limit:
        raise TooManyStates(
            f"order {order} makes {states:,} states of these paths, and {limit:,} can be solved: "
            "take a lower order, or fewer channels"
        )
    if order > 1 and states > _DENSE:
        return np.asarray(lost_by_steps(chain, len(effects)) / total)
    solve = _solver(chain.leaving)
    chances = solve(chain.converting)
    if order == 1:
        effects[chain.channel] = _single(solve, chances)
    else:
        _blocks(solve, chain, chances, effects)
    return np.asarray(effects / total)


def _solver(leaving: csc_array) -> Solve:
    """Factorise once: densely when there are few states, whose factors fill up anyhow.

    A row-dominant M-matrix has its diagonal for a stable pivot, so the sparse one keeps to it.
    """
    if leaving.shape[0] <= _DENSE:
        inverse = np.linalg.inv(leaving.toarray())
        return lambda right: inverse @ right
    solver = splu(leaving, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0)
    return lambda right: np.asarray(solver.solve(right))


def _single(solve: Solve, chances: Floats) -> Floats:
    """Return what is lost without each state: one state a channel."""
    number = len(chances)
    diagonal = np.empty(number)
    for start in range(0, number, _BLOCK):
        wanted = np.arange(start, min(start + _BLOCK, number))
        diagonal[wanted] = _columns(solve, wanted, number)[wanted, np.arange(len(wanted))]
    return np.asarray(chances / diagonal)


def _blocks(solve: Solve, chain: Chain, chances: Floats, effects: Floats) -> None:
    """Write what is lost without each channel, which owns several states."""
    order = np.argsort(chain.channel, kind="stable")
    bounds = np.flatnonzero(np.diff(chain.channel[order], prepend=-1))
    for own in np.split(order, bounds[1:]):
        inner = _columns(solve, own, len(chances))[own]
        effects[chain.channel[own[0]]] = np.linalg.solve(inner, chances[own]).sum()


def _columns(solve: Solve, wanted: Ints, number: int) -> Floats:
    """Return some columns of the inverse."""
    unit = np.zeros((number, len(wanted)))
    unit[wanted, np.arange(len(wanted))] = 1.0
    return solve(unit)
