"""Path summaries: how often each path of channels led to a conversion, and how often to none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Row = tuple[Sequence[str], float, float, float]
"""A path, its conversions, their value, and how many such paths led to no conversion."""


@dataclass(frozen=True)
class Paths:
    """All paths, flat: path `p` is `codes[starts[p]:starts[p + 1]]`, numbers of `channels`.

    Counts may be any weights >= 0; as long as they are whole, their sums are exact. `valued` and
    `nulled` say whether values and paths without conversion were given at all. What happened
    without a single touch is in `untouched` (conversions, value) and stands in no path.
    """

    channels: tuple[str, ...]
    codes: Ints
    starts: Ints
    conversions: Floats
    value: Floats
    nulls: Floats
    valued: bool = True
    nulled: bool = True
    untouched: tuple[float, float] = (0.0, 0.0)

    @property
    def lengths(self) -> Ints:
        """Touches of each path."""
        return np.diff(self.starts)

    @property
    def owner(self) -> Ints:
        """The path of each touch."""
        return np.repeat(np.arange(len(self.starts) - 1), self.lengths)

    def keep(self, touches: NDArray[np.bool_]) -> Paths:
        """Return the same paths with only some of their touches."""
        starts = np.concatenate(([0], np.cumsum(touches)))[self.starts]
        return replace(self, codes=self.codes[touches], starts=starts.astype(np.int64))


def paths_of(rows: Iterable[Row], *, valued: bool = True, nulled: bool = True) -> Paths:
    """Return summaries from rows in memory; rows with no touch are counted as untouched."""
    given = list(rows)
    touched = [row for row in given if row[0]]
    channels = tuple(sorted({name for row in touched for name in row[0]}))
    number = {name: code for code, name in enumerate(channels)}
    codes = [number[name] for row in touched for name in row[0]]
    starts = np.cumsum([0, *(len(row[0]) for row in touched)])
    counts = np.array([row[1:] for row in touched], dtype=np.float64).reshape(len(touched), 3)
    bare = [row for row in given if not row[0]]
    return Paths(
        channels,
        np.array(codes, dtype=np.int64),
        starts.astype(np.int64),
        counts[:, 0],
        counts[:, 1],
        counts[:, 2],
        valued,
        nulled,
        (sum(row[1] for row in bare), sum(row[2] for row in bare)),
    )


def tally(codes: Ints, weights: Floats, number: int) -> Floats:
    """Return the sum of the weights of each code from 0 to `number` - 1."""
    return np.bincount(codes, weights=weights, minlength=number).astype(np.float64)


def without_loops(paths: Paths) -> Paths:
    """Return the paths with every run of the same channel collapsed to one touch."""
    fresh = np.ones(len(paths.codes), dtype=np.bool_)
    fresh[1:] = paths.codes[1:] != paths.codes[:-1]
    fresh[paths.starts[:-1]] = True
    return paths.keep(fresh)


def distinct(paths: Paths) -> Paths:
    """Return the paths with each channel once, where it stands first."""
    keys = paths.owner * max(len(paths.channels), 1) + paths.codes
    first = np.zeros(len(keys), dtype=np.bool_)
    first[np.unique(keys, return_index=True)[1]] = True
    return paths.keep(first)
