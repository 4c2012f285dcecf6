"""Attribution over paths a second time, slowly and in fractions: what the models are compared with.

Nothing here is shared with the models: the chain is rebuilt without the channel and solved again,
and every coalition is looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, groupby, pairwise
from math import factorial

Path = tuple[str, ...]
Counts = tuple[int, int]
"""Conversions and nulls."""
Summary = Mapping[Path, Counts]
State = tuple[str, ...]
START: State = ("(start)",)
CONVERSION: State = ("(conversion)",)
NULL: State = ("(null)",)
ZERO = Fraction(0)


def channels_of(paths: Summary) -> list[str]:
    return sorted({channel for path in paths for channel in path})


def collapsed(path: Path) -> Path:
    return tuple(channel for channel, _ in groupby(path))


def merged(rows: Iterable[tuple[Path, Counts]]) -> dict[Path, Counts]:
    sums: dict[Path, Counts] = defaultdict(lambda: (0, 0))
    for path, (won, lost) in rows:
        sums[path] = (sums[path][0] + won, sums[path][1] + lost)
    return dict(sums)


def removal_effects(paths: Summary, order: int = 1) -> dict[str, Fraction]:
    """1 - P(conversion without the channel) / P(conversion), by channel."""
    whole = conversion_chance(paths, order, None)
    names = channels_of(paths)
    if not whole:
        return dict.fromkeys(names, ZERO)
    return {name: 1 - conversion_chance(paths, order, name) / whole for name in names}


def conversion_chance(paths: Summary, order: int, removed: str | None) -> Fraction:
    """The chance to get from start to conversion when every visit of a channel leads to null."""
    moves: dict[State, dict[State, int]] = defaultdict(lambda: defaultdict(int))
    for path, (won, lost) in paths.items():
        states = [START, *(path[max(0, at - order + 1) : at + 1] for at in range(len(path)))]
        for source, target in pairwise(states):
            moves[source][target] += won + lost
        moves[states[-1]][CONVERSION] += won
        moves[states[-1]][NULL] += lost
    alive = {
        state: {
            NULL
            if removed is not None and target not in (CONVERSION, NULL) and target[-1] == removed
            else target: Fraction(count, sum(targets.values()))
            for target, count in targets.items()
            if count
        }
        for state, targets in moves.items()
        if sum(targets.values())
    }
    return absorbed(alive)


def absorbed(moves: Mapping[State, Mapping[State, Fraction]]) -> Fraction:
    """Solve h = Q h + b by elimination; return h of the start."""
    states = list(moves)
    row = {state: at for at, state in enumerate(states)}
    size = len(states)
    table = [[ZERO] * (size + 1) for _ in states]
    for state, targets in moves.items():
        own = table[row[state]]
        own[row[state]] += 1
        for target, chance in targets.items():
            if target == CONVERSION:
                own[size] += chance
            elif target in row:
                own[row[target]] -= chance
    for pivot in range(size):
        best = next(at for at in range(pivot, size) if table[at][pivot])
        table[pivot], table[best] = table[best], table[pivot]
        head = table[pivot][pivot]
        table[pivot] = [value / head for value in table[pivot]]
        for at in range(size):
            if at != pivot and (factor := table[at][pivot]):
                pairs = zip(table[at], table[pivot], strict=True)
                table[at] = [value - factor * other for value, other in pairs]
    return table[row[START]][size] if START in row else ZERO


def shapley_values(
    names: Sequence[str], worth: Mapping[frozenset[str], Fraction]
) -> dict[str, Fraction]:
    """The definition: marginal contributions over all coalitions."""
    found = dict.fromkeys(names, ZERO)
    for name in names:
        others = [other for other in names if other != name]
        for size in range(len(names)):
            chance = Fraction(
                factorial(size) * factorial(len(names) - size - 1), factorial(len(names))
            )
            for members in combinations(others, size):
                coalition = frozenset(members)
                found[name] += chance * (worth[coalition | {name}] - worth[coalition])
    return found


def coalitions(names: Sequence[str]) -> list[frozenset[str]]:
    return [frozenset(each) for size in range(len(names) + 1) for each in combinations(names, size)]


def sum_game(paths: Summary) -> dict[str, Fraction]:
    names = channels_of(paths)
    worth = {
        coalition: Fraction(sum(won for path, (won, _) in paths.items() if coalition >= set(path)))
        for coalition in coalitions(names)
    }
    return shapley_values(names, worth)


def rate_game(paths: Summary) -> dict[str, Fraction]:
    names = channels_of(paths)
    worth = {}
    for coalition in coalitions(names):
        inside = [counts for path, counts in paths.items() if coalition >= set(path)]
        won, all_ = sum(w for w, _ in inside), sum(w + n for w, n in inside)
        worth[coalition] = Fraction(won, all_) if all_ else ZERO
    return shapley_values(names, worth)


def marginal_rates(paths: Summary) -> dict[str, Fraction]:
    """Conversions by the marginal contributions to the conversion rates of paths."""
    found = dict.fromkeys(channels_of(paths), ZERO)
    for path, (won, _) in paths.items():
        if not won or not path:
            continue
        worth = rate(paths, path)
        marginal = [
            max(worth - rate(paths, path[:at] + path[at + 1 :]), ZERO) for at in range(len(path))
        ]
        if len(path) == 1 or not sum(marginal):
            marginal = [ZERO] * (len(path) - 1) + [Fraction(1)]
        for channel, share in zip(path, marginal, strict=True):
            found[channel] += won * share / sum(marginal)
    return found


def rate(paths: Summary, path: Path) -> Fraction:
    won, lost = paths.get(path, (0, 0))
    return Fraction(won, won + lost) if path and won + lost else ZERO


def by_place(paths: Summary, shares: Mapping[int, Sequence[Fraction]]) -> dict[str, Fraction]:
    """Conversions by shares of places; `shares` has those of each length of path."""
    found = dict.fromkeys(channels_of(paths), ZERO)
    for path, (won, _) in paths.items():
        for channel, share in zip(path, shares[len(path)], strict=True):
            found[channel] += won * share
    return found


def divided(total: int, weights: Mapping[str, Fraction]) -> dict[str, Fraction]:
    whole = sum(weights.values())
    return {name: total * weight / whole if whole else ZERO for name, weight in weights.items()}
