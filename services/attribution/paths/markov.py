"""Removal effects of channels in the absorbing Markov chain of the paths, exactly.

Sources: Anderl, Becker, von Wangenheim, Schumann, Mapping the customer journey, International
Journal of Research in Marketing 33 (2016); Shao, Li, Data-driven multi-touch attribution models,
KDD 2011. Absorbing chains: Kemeny, Snell, Finite Markov chains (1960), chapter 3.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import SuperLU, splu

from services.attribution.paths.chain import Chain, build_chain
from services.attribution.paths.credit import Credit, divided
from services.attribution.paths.summary import Floats, Ints, Paths

MAX_STATES = 20_000
_BLOCK = 256


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
    effects keep their digits. Errors: TooManyStates.
    """
    effects = np.zeros(len(paths.channels))
    total = paths.conversions.sum()
    if not total:
        return effects
    chain = build_chain(paths, order)
    states = len(chain.converting)
    if states > MAX_STATES:
        raise TooManyStates(
            f"order {order} makes {states:,} states of these paths, and {MAX_STATES:,} can be "
            "solved: take a lower order, or fewer channels"
        )
    # A is a row-dominant M-matrix: its diagonal is a stable pivot.
    solver = splu(chain.leaving, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0)
    chances: Floats = solver.solve(chain.converting)
    if order == 1:
        effects[chain.channel] = _single(solver, chances)
    else:
        _blocks(solver, chain, chances, effects)
    return np.asarray(effects / total)


def _single(solver: SuperLU, chances: Floats) -> Floats:
    """Return what is lost without each state: one state a channel."""
    number = len(chances)
    diagonal = np.empty(number)
    for start in range(0, number, _BLOCK):
        wanted = np.arange(start, min(start + _BLOCK, number))
        diagonal[wanted] = _columns(solver, wanted, number)[wanted, np.arange(len(wanted))]
    return np.asarray(chances / diagonal)


def _blocks(solver: SuperLU, chain: Chain, chances: Floats, effects: Floats) -> None:
    """Write what is lost without each channel, which owns several states."""
    order = np.argsort(chain.channel, kind="stable")
    bounds = np.flatnonzero(np.diff(chain.channel[order], prepend=-1))
    for own in np.split(order, bounds[1:]):
        inner = _columns(solver, own, len(chances))[own]
        effects[chain.channel[own[0]]] = np.linalg.solve(inner, chances[own]).sum()


def _columns(solver: SuperLU, wanted: Ints, number: int) -> Floats:
    """Return some columns of the inverse."""
    unit = np.zeros((number, len(wanted)))
    unit[wanted, np.arange(len(wanted))] = 1.0
    return np.asarray(solver.solve(unit))
