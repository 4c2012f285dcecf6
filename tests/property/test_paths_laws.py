"""Laws of the models over path summaries, against fractions worked out another way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.attribution.paths.chain import build_chain
from services.attribution.paths.conversion_rates import coalition_values
from services.attribution.paths.markov import removal_effects
from services.attribution.paths.models import MODELS, Options
from services.attribution.paths.series import lost_by_steps
from services.attribution.paths.summary import Paths, paths_of
from tests.support import exact_paths as exact

Rows = list[tuple[exact.Path, exact.Counts]]
TOLERANCE = 1e-9
DEFAULTS = Options()
ALL = sorted(MODELS)

path = st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=6).map(tuple)
counts = st.tuples(st.integers(0, 5), st.integers(0, 5))
rows = st.lists(st.tuples(path, counts), min_size=1, max_size=9)
orders = st.integers(1, 3)


def summaries(given_rows: Sequence[tuple[exact.Path, exact.Counts]]) -> Paths:
    return paths_of((each, won, won * 7, lost) for each, (won, lost) in given_rows)


def credits(model: str, paths: Paths, options: Options = DEFAULTS) -> dict[str, float]:
    found = MODELS[model](paths, options)
    return dict(zip(paths.channels, found.conversions.tolist(), strict=True))


def close(wanted: Mapping[str, Fraction]) -> object:
    numbers = {name: float(share) for name, share in wanted.items()}
    return pytest.approx(numbers, abs=TOLERANCE, rel=0)


def conversions(given_rows: Rows) -> int:
    return sum(won for _, (won, _) in given_rows)


@given(rows, st.sampled_from(ALL), orders)
def test_credit_sums_to_the_total(given_rows: Rows, model: str, order: int) -> None:
    found = MODELS[model](summaries(given_rows), Options(order=order))
    total = conversions(given_rows)
    assert found.conversions.sum() == pytest.approx(total, abs=TOLERANCE)
    assert found.value.sum() == pytest.approx(7 * total, abs=TOLERANCE)


@given(rows, orders)
def test_self_loops_change_nothing_in_a_chain(given_rows: Rows, order: int) -> None:
    looped = [(tuple(c for c in each for _ in range(3)), both) for each, both in given_rows]
    options = Options(order=order)
    plain = credits("markov", summaries(given_rows), options)
    assert credits("markov", summaries(looped), options) == pytest.approx(plain, abs=TOLERANCE)


@given(rows, st.sampled_from(ALL), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(given_rows: Rows, model: str, random: Random) -> None:
    shuffled = random.sample(given_rows, len(given_rows))
    before = credits(model, summaries(given_rows))
    assert credits(model, summaries(shuffled)) == pytest.approx(before, abs=TOLERANCE)


@given(rows, st.sampled_from(ALL), orders)
def test_splitting_rows_changes_nothing(given_rows: Rows, model: str, order: int) -> None:
    split = [
        (each, part)
        for each, (won, lost) in given_rows
        for part in [*[(1, 0)] * won, *[(0, 1)] * lost, (0, 0)]
    ]
    options = Options(order=order)
    before = credits(model, summaries(given_rows), options)
    assert credits(model, summaries(split), options) == pytest.approx(before, abs=TOLERANCE)


@given(rows)
def test_order_one_is_the_chain_with_its_self_loops(given_rows: Rows) -> None:
    paths = summaries(given_rows)
    wanted = exact.removal_effects(exact.merged(given_rows))
    found = dict(zip(paths.channels, removal_effects(paths).tolist(), strict=True))
    assert found == close(wanted)
    total = conversions(given_rows)
    assert credits("markov", paths) == close(exact.divided(total, wanted))


@given(rows, orders)
def test_order_k_is_the_chain_of_tuples(given_rows: Rows, order: int) -> None:
    paths = summaries(given_rows)
    wanted = exact.removal_effects(
        exact.merged((exact.collapsed(each), both) for each, both in given_rows), order
    )
    found = removal_effects(paths, order)
    assert dict(zip(paths.channels, found.tolist(), strict=True)) == close(wanted)


@given(rows, orders)
def test_a_chain_followed_step_by_step_gives_the_same(given_rows: Rows, order: int) -> None:
    """What big chains of a higher order go through."""
    paths = summaries(given_rows)
    chain = build_chain(paths, order)
    total = max(conversions(given_rows), 1)
    found = lost_by_steps(chain, len(paths.channels)) / total
    assert found.tolist() == pytest.approx(removal_effects(paths, order).tolist(), abs=1e-12)


@given(rows)
def test_shapley_is_the_sum_game(given_rows: Rows) -> None:
    wanted = exact.sum_game(exact.merged(given_rows))
    assert credits("shapley", summaries(given_rows)) == close(wanted)


@given(rows)
def test_shapley_cr_is_the_marginal_contributions(given_rows: Rows) -> None:
    wanted = exact.marginal_rates(exact.merged(given_rows))
    assert credits("shapley-cr", summaries(given_rows)) == close(wanted)


@given(rows)
def test_shapley_cr_full_is_the_game_over_coalitions(given_rows: Rows) -> None:
    paths = summaries(given_rows)
    wanted = exact.rate_game(exact.merged(given_rows))
    found = dict(zip(paths.channels, coalition_values(paths).tolist(), strict=True))
    assert found == close(wanted)


def position(length: int) -> list[Fraction]:
    if length <= 2:
        return [Fraction(1, length)] * length
    return [Fraction(2, 5), *[Fraction(1, 5 * (length - 2))] * (length - 2), Fraction(2, 5)]


SHARES = {
    "first": lambda n: [Fraction(at == 0) for at in range(n)],
    "last": lambda n: [Fraction(at == n - 1) for at in range(n)],
    "linear": lambda n: [Fraction(1, n)] * n,
    "position": position,
    "time-decay": lambda n: [Fraction(2**at, 2**n - 1) for at in range(n)],
}


@given(rows, st.sampled_from(sorted(SHARES)))
def test_models_of_places_share_every_path_exactly(given_rows: Rows, model: str) -> None:
    shares = {length: SHARES[model](length) for length in range(1, 7)}
    wanted = exact.by_place(exact.merged(given_rows), shares)
    assert credits(model, summaries(given_rows)) == close(wanted)
