"""The Markov chain of order K of a set of paths, as counts.

States are the last K channels of a path (fewer at its beginning). Runs of one channel count as one
touch, so that self-loops change nothing, whatever the order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array

from services.attribution.paths.summary import Floats, Ints, Paths, tally, without_loops


@dataclass(frozen=True)
class Chain:
    """How often each state was left, and where to.

    `leaving` has the visits of each state on its diagonal and minus the moves from row to column
    beside it: divided by the visits it is I - Q of the absorbing chain. `starting` counts the
    moves from the start, `converting` those to conversion; what a row lacks goes to null.
    `channel` is the last channel of a state.
    """

    leaving: csc_array
    starting: Floats
    converting: Floats
    channel: Ints


def build_chain(paths: Paths, order: int) -> Chain:
    """Return the chain of some paths; those that count nothing are left out."""
    paths = without_loops(paths)
    weight = paths.conversions + paths.nulls
    each = np.repeat(weight, paths.lengths)
    ends = paths.starts[1:] - 1
    begins = np.zeros(len(paths.codes), dtype=np.bool_)
    begins[paths.starts[:-1]] = True
    counted = each > 0
    state, number = _states(paths.codes, begins, counted, order)
    moves = counted[1:] & ~begins[1:]
    source, target = state[:-1][moves], state[1:][moves]
    visits = tally(state[counted], each[counted], number)
    diagonal = np.arange(number)
    leaving = coo_array(
        (
            np.concatenate((visits, -each[:-1][moves])),
            (np.concatenate((diagonal, source)), np.concatenate((diagonal, target))),
        ),
        shape=(number, number),
    ).tocsc()  # what stands twice is added up
    final = weight > 0
    converting = tally(state[ends[final]], paths.conversions[final], number)
    channel = np.zeros(number, dtype=np.int64)
    channel[state[counted]] = paths.codes[counted]
    starting = tally(state[paths.starts[:-1]][final], weight[final], number)
    return Chain(leaving, starting, converting, channel)


def _states(
    codes: Ints, begins: NDArray[np.bool_], counted: NDArray[np.bool_], order: int
) -> tuple[Ints, int]:
    """Number the tuples of the last `order` channels at each touch, and say how many there are.

    The tuple of k channels is the tuple of k - 1 channels one touch earlier, and the channel.
    """
    base = int(codes.max(initial=0)) + 1
    state = np.full(len(codes), -1)
    number = 0
    for _ in range(order):
        before = np.zeros(len(codes), dtype=np.int64)
        before[1:] = state[:-1] + 1
        before[begins] = 0
        found, inverse = np.unique((before * base + codes)[counted], return_inverse=True)
        state = np.zeros(len(codes), dtype=np.int64)
        state[counted] = inverse
        if len(found) == number:
            break  # longer tuples tell no more touches apart: so it is beyond the longest path
        number = len(found)
    return state, number
