"""Models over path summaries on journeys small enough to be worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction as F

import pytest

from services.attribution.paths.conversion_rates import MAX_CHANNELS, TooManyChannels
from services.attribution.paths.markov import MAX_STATES, TooManyStates, removal_effects
from services.attribution.paths.models import MODELS, Options
from services.attribution.paths.summary import paths_of

Rows = Mapping[str, tuple[float, float, float]]
DEFAULTS = Options()


def credit(model: str, rows: Rows, options: Options = DEFAULTS) -> tuple[dict[str, float], ...]:
    """Conversions and value by channel; a path is written like `A B`."""
    paths = paths_of((path.split(), *counts) for path, counts in rows.items())
    found = MODELS[model](paths, options)
    return (
        dict(zip(paths.channels, found.conversions.tolist(), strict=True)),
        dict(zip(paths.channels, found.value.tolist(), strict=True)),
    )


def exact(**shares: F | int) -> object:
    return pytest.approx({name: float(share) for name, share in shares.items()}, abs=1e-12, rel=0)


ALL = sorted(MODELS)


@pytest.mark.parametrize("model", ALL)
def test_a_single_touch_gets_all(model: str) -> None:
    assert credit(model, {"A": (3, 30, 2)}) == (exact(A=3), exact(A=30))


@pytest.mark.parametrize("model", ALL)
def test_no_touch_credits_nobody(model: str) -> None:
    conversions, value = credit(model, {"": (3, 30, 0), "A": (1, 5, 0)})
    assert (conversions, value) == (exact(A=1), exact(A=5))


@pytest.mark.parametrize("model", ALL)
def test_no_conversion_credits_nobody(model: str) -> None:
    assert credit(model, {"A": (0, 0, 2), "B": (0, 0, 1)}) == (exact(A=0, B=0), exact(A=0, B=0))


@pytest.mark.parametrize("model", ALL)
def test_no_path_at_all_is_no_error(model: str) -> None:
    assert credit(model, {}) == ({}, {})


def test_what_had_no_touch_is_counted_apart() -> None:
    paths = paths_of([([], 2, 9, 1), (["A"], 1, 1, 0)])
    assert paths.untouched == (2, 9)


@pytest.mark.parametrize(
    ("model", "shares"),
    [
        ("first", {"A": F(1), "B": F(0), "C": F(0)}),
        ("last", {"A": F(0), "B": F(0), "C": F(1)}),
        ("linear", {"A": F(1, 2), "B": F(1, 4), "C": F(1, 4)}),
        ("position", {"A": F(1, 2), "B": F(1, 10), "C": F(2, 5)}),
        ("time-decay", {"A": F(1 + 4, 15), "B": F(2, 15), "C": F(8, 15)}),
        ("shapley", {"A": F(1, 3), "B": F(1, 3), "C": F(1, 3)}),
    ],
)
def test_a_repeated_channel_earns_with_each_of_its_touches(
    model: str, shares: dict[str, F]
) -> None:
    wanted = {name: 10 * share for name, share in shares.items()}
    assert credit(model, {"A B A C": (10, 0, 0)})[0] == exact(**wanted)


@pytest.mark.parametrize(
    ("path", "shares"),
    [
        ("A", {"A": F(1)}),
        ("A B", {"A": F(1, 2), "B": F(1, 2)}),
        ("A B C", {"A": F(2, 5), "B": F(1, 5), "C": F(2, 5)}),
        ("A B C D", {"A": F(2, 5), "B": F(1, 10), "C": F(1, 10), "D": F(2, 5)}),
        ("A B C D E", {"A": F(2, 5), **dict.fromkeys("BCD", F(1, 15)), "E": F(2, 5)}),
    ],
)
def test_position_is_pinned(path: str, shares: dict[str, F]) -> None:
    """Law A1: 1 -> 1; 2 -> 1/2, 1/2; n -> .4, .2/(n-2) each, .4."""
    assert credit("position", {path: (1, 0, 0)})[0] == exact(**shares)


def test_time_decay_halves_at_each_half_life() -> None:
    """Two steps a half-life: 1/2 and 1 two steps apart, and 2^(-1/2) between them."""
    weights = [0.5, 2**-0.5, 1.0]
    found, _ = credit("time-decay", {"A B C": (1, 0, 0)}, Options(half_life=2))
    assert list(found.values()) == pytest.approx([w / sum(weights) for w in weights], abs=1e-15)


def test_value_is_divided_as_conversions_are_path_by_path() -> None:
    rows = {"A B": (2, 100, 0), "B": (1, 10, 0)}
    assert credit("linear", rows) == (exact(A=1, B=2), exact(A=50, B=60))


def test_markov_by_hand() -> None:
    """start -> A (3 of 4) or B (1 of 4); A -> B (2 of 3) or null; B -> conversion (2 of 3), null.

    P = 3/4 * 2/3 * 2/3 + 1/4 * 2/3 = 1/2. Without A: 1/4 * 2/3 = 1/6. Without B: 0.
    """
    rows = {"A B": (2, 8, 0), "A": (0, 0, 1), "B": (0, 0, 1)}
    paths = paths_of((path.split(), *counts) for path, counts in rows.items())
    assert removal_effects(paths).tolist() == pytest.approx([2 / 3, 1], abs=1e-15)
    assert credit("markov", rows) == (exact(A=F(4, 5), B=F(6, 5)), exact(A=F(16, 5), B=F(24, 5)))


def test_markov_goes_round_loops() -> None:
    """start -> A; A -> B, B or conversion; B -> A, or null: h_A = 1/3 + 2/3 h_B, h_B = 1/2 h_A,
    so P = h_A = 1/2. Without B: 1/3, so that B's effect is 1/3 and A's is 1."""
    rows = {"A B A": (1, 0, 0), "A B": (0, 0, 1)}
    paths = paths_of((path.split(), *counts) for path, counts in rows.items())
    assert removal_effects(paths).tolist() == pytest.approx([1, 1 / 3], abs=1e-15)


def test_self_loops_change_nothing() -> None:
    plain, looped = {"A B": (2, 1, 3), "B": (1, 1, 1)}, {"A A A B B": (2, 1, 3), "B B": (1, 1, 1)}
    for order in (1, 2, 3):
        options = Options(order=order)
        assert credit("markov", plain, options) == credit("markov", looped, options)


def test_order_two_remembers_where_a_visitor_came_from() -> None:
    """B after A always converts, B after C never: order 1 mixes them, order 2 does not.

    Order 1: P = 1/2; without A or C: 1/2 * 1/2, effects 1/2; B: 1. Order 2: without C nothing
    is lost, A's effect is 1, and B's is 1.
    """
    rows = {"A B": (1, 0, 0), "C B": (0, 0, 1)}
    assert credit("markov", rows)[0] == exact(A=F(1, 4), B=F(1, 2), C=F(1, 4))
    assert credit("markov", rows, Options(order=2))[0] == exact(A=F(1, 2), B=F(1, 2), C=0)


def test_shapley_is_an_equal_split_over_distinct_channels() -> None:
    rows = {"A B A": (6, 60, 0), "B": (1, 10, 0), "C B A": (3, 3, 0)}
    assert credit("shapley", rows) == (exact(A=4, B=5, C=1), exact(A=31, B=41, C=1))


def test_conversion_rates_by_hand() -> None:
    """A B converts 1 of 2, A alone 1 of 27, B alone 3 of 28: the margins are 1/2 - 3/28 = 11/28
    for A and 1/2 - 1/27 = 25/54 for B, in the ratio 297 to 350."""
    rows = {"A B": (1, 140, 1), "A": (1, 66.5, 26), "B": (3, 94.42, 25)}
    assert credit("shapley-cr", rows) == (
        exact(A=1 + F(297, 647), B=3 + F(350, 647)),
        exact(A=F("66.5") + F(297 * 140, 647), B=F("94.42") + F(350 * 140, 647)),
    )


def test_who_lowers_the_conversion_rate_of_a_path_gets_nothing_of_it() -> None:
    """B alone always converts, with A in front one in two: A's margin is negative."""
    rows = {"A B": (1, 0, 1), "B": (2, 0, 0)}
    assert credit("shapley-cr", rows)[0] == exact(A=0, B=3)


def test_the_last_touch_gets_all_where_no_touch_adds_anything() -> None:
    rows = {"A B": (1, 0, 1), "A": (1, 0, 0), "B": (1, 0, 0)}
    assert credit("shapley-cr", rows)[0] == exact(A=1, B=2)


def test_coalitions_by_hand() -> None:
    """Worth: A 1/2, B 0, both 2/4. Shapley: A (1/2 + 1/2) / 2, B (0 + 0) / 2."""
    rows = {"A": (1, 10, 1), "A B": (1, 10, 1)}
    assert credit("shapley-cr-full", rows) == (exact(A=2, B=0), exact(A=20, B=0))


def test_a_channel_can_lower_rates_in_the_game_over_coalitions() -> None:
    """Worth: A 1, B 0, both 1/2: A (1 + 1/2) / 2 = 3/4, B (0 - 1/2) / 2 = -1/4."""
    rows = {"A": (1, 0, 0), "B": (0, 0, 1)}
    assert credit("shapley-cr-full", rows)[0] == exact(A=F(3, 2), B=F(-1, 2))


def test_coalitions_of_too_many_channels_are_refused() -> None:
    rows = {str(number): (1.0, 0.0, 0.0) for number in range(MAX_CHANNELS + 1)}
    with pytest.raises(TooManyChannels, match="at most 20 channels, and here are 21"):
        credit("shapley-cr-full", rows)


def test_a_chain_of_too_many_states_is_refused() -> None:
    path = " ".join(map(str, range(MAX_STATES + 1)))
    with pytest.raises(TooManyStates, match="order 2 makes 500,001 states"):
        credit("markov", {path: (1, 0, 0)}, Options(order=2))


def test_a_chain_of_too_many_channels_is_refused() -> None:
    path = " ".join(map(str, range(10_001)))
    with pytest.raises(TooManyStates, match="10,001 states of these paths, and 10,000"):
        credit("markov", {path: (1, 0, 0)})
