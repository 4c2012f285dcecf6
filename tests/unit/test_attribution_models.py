"""Every model on journeys small enough to be worked out by hand, as fractions."""

from __future__ import annotations

import sys
from fractions import Fraction as F
from types import ModuleType

import msgspec
import pytest

from afflux.kernel.catalog import MODEL_NAMES, Entity, ModelTerms
from afflux.kernel.events import Result
from services.attribution.domain import models
from services.attribution.domain.models import MODELS
from services.attribution.domain.models.exact import fitted
from services.attribution.domain.models.time_decay import BITS, weight
from tests.attribution_cases import (
    coupon,
    credit,
    decided,
    frozen,
    offered,
    outcomes,
    touch,
)

DAY = 86_400_000
HALF_HOUR = ModelTerms(name="time_decay", half_life_s=1_800)
ENDS = ModelTerms(name="position", first="0.5", last="0.25")
MARKOV = ModelTerms(name="markov", weights="spring")
SHAPLEY = ModelTerms(name="shapley", weights="spring")

A, B, C, D = 1, 2, 3, 4
AT_0, AT_30, AT_60 = 0, 1_800_000, 3_600_000


def path(*partners: int) -> list[tuple[int, int]]:
    """(partner, time) of clicks a second apart."""
    return [(partner, 1_000 * number) for number, partner in enumerate(partners)]


@pytest.mark.parametrize(
    ("model", "clicks", "expected"),
    [
        ("last", path(A), [(A, F(1))]),
        ("last", path(A, B, A), [(A, F(1))]),
        ("last", [(A, 5), (B, 5)], [(B, F(1))]),
        ("first", path(A), [(A, F(1))]),
        ("first", path(A, B, C), [(A, F(1))]),
        ("first", [(B, 5), (A, 5)], [(B, F(1))]),
        ("linear", path(A), [(A, F(1))]),
        ("linear", path(A, B, C), [(A, F(1, 3)), (B, F(1, 3)), (C, F(1, 3))]),
        ("linear", path(A, A, B), [(A, F(1, 3)), (A, F(1, 3)), (B, F(1, 3))]),
        ("position", path(A), [(A, F(1))]),
        ("position", path(A, B), [(A, F(1, 2)), (B, F(1, 2))]),
        ("position", path(A, B, C), [(A, F(2, 5)), (B, F(1, 5)), (C, F(2, 5))]),
        (
            "position",
            path(A, B, A, C),
            [(A, F(2, 5)), (B, F(1, 10)), (A, F(1, 10)), (C, F(2, 5))],
        ),
        (ENDS, path(A, B), [(A, F(2, 3)), (B, F(1, 3))]),
        (ENDS, path(A, B, C), [(A, F(1, 2)), (B, F(1, 4)), (C, F(1, 4))]),
        ("time_decay", [(A, 5)], [(A, F(1))]),
        ("time_decay", [(A, 5), (B, 5)], [(A, F(1, 2)), (B, F(1, 2))]),
        (HALF_HOUR, [(A, AT_0), (B, AT_30)], [(A, F(1, 3)), (B, F(2, 3))]),
        (
            HALF_HOUR,
            [(A, AT_0), (B, AT_30), (A, AT_60)],
            [(A, F(1, 7)), (B, F(2, 7)), (A, F(4, 7))],
        ),
        ("last_non_coupon", path(A), [(A, F(1))]),
    ],
)
def test_A1_shares_worked_out_by_hand(
    model: str | ModelTerms, clicks: list[tuple[int, int]], expected: list[tuple[int, F]]
) -> None:
    steps = [touch(number, partner, at) for number, (partner, at) in enumerate(clicks)]
    decision = decided(steps, offered(model))
    assert credit(decision.shares) == expected
    assert decision.model == (model if isinstance(model, str) else model.name)


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_without_a_touch_nobody_is_credited_whatever_the_model(model: str) -> None:
    decision = decided([], offered(model))
    assert (decision.result, decision.reason, decision.shares) == (
        Result.UNATTRIBUTED,
        "no_touch",
        [],
    )


@pytest.mark.parametrize(
    ("of_coupons", "expected", "why"),
    [
        ([], C, ["earlier_touch", "earlier_touch", None]),
        ([C], B, ["earlier_touch", None, "assisted"]),
        ([B, C], A, [None, "assisted", "assisted"]),
        ([A, B, C], C, ["earlier_touch", "earlier_touch", None]),
    ],
)
def test_last_non_coupon_passes_partners_of_coupons_over_unless_all_are(
    of_coupons: list[int], expected: int, why: list[str | None]
) -> None:
    coupons: list[Entity] = [coupon(partner, f"CODE{partner}") for partner in of_coupons]
    decision = decided(
        [touch(1, A, 0), touch(2, B, 1), touch(3, C, 2)], offered("last_non_coupon"), *coupons
    )
    assert credit(decision.shares) == [(expected, F(1))]
    assert [reason for _, _, reason in outcomes(decision)] == why


@pytest.mark.parametrize("model", [MARKOV, SHAPLEY])
@pytest.mark.parametrize(
    ("weights", "partners", "expected"),
    [
        ({A: "0.3", B: "0.1"}, (A, B), [F(3, 4), F(1, 4)]),
        ({A: "0.3", B: "0.1"}, (A, B, A), [F(3, 8), F(1, 4), F(3, 8)]),
        ({A: "0.3", B: "0.1"}, (A, C), [F(1), F(0)]),
        ({A: "2", B: "1", C: "1"}, (C, B, A), [F(1, 4), F(1, 4), F(1, 2)]),
    ],
)
def test_frozen_weights_are_shared_among_a_partners_touches(
    model: ModelTerms, weights: dict[int, str], partners: tuple[int, ...], expected: list[F]
) -> None:
    steps = [touch(number, partner, number) for number, partner in enumerate(partners)]
    decision = decided(steps, offered(model), frozen(model.name, weights))
    whole = [(partner, part) for partner, part in zip(partners, expected, strict=True) if part]
    assert credit(decision.shares) == whole
    assert decision.model == f"{model.name}@1"
    assert all(outcome != "none" for _, outcome, _ in outcomes(decision))


@pytest.mark.parametrize(
    "weights",
    [
        [],
        [frozen("markov", {D: "1"})],
        [frozen("shapley", {A: "1", B: "3"})],
        [frozen("markov", {A: "1"}, "autumn")],
    ],
)
def test_without_weights_of_these_partners_the_shares_are_linear_and_so_is_the_name(
    weights: list[Entity],
) -> None:
    decision = decided([touch(1, A), touch(2, B, 1)], offered(MARKOV), *weights)
    assert credit(decision.shares) == [(A, F(1, 2)), (B, F(1, 2))]
    assert decision.model == "linear"


def test_a_goal_may_have_a_model_of_its_own() -> None:
    base = offered("last")
    goals = [base.goals[0], *base.goals[1:]]
    goals[0] = msgspec.structs.replace(goals[0], model="first")
    decision = decided([touch(1, A), touch(2, B, 1)], offered("last", goals=goals))
    assert (credit(decision.shares), decision.model) == ([(A, F(1))], "first")


def test_a_click_id_ends_the_path_and_the_model_shares_it() -> None:
    steps = [touch(1, A), touch(2, B, 1), touch(3, C, 2)]
    decision = decided(steps, offered("linear"), named=steps[1])
    assert credit(decision.shares) == [(A, F(1, 2)), (B, F(1, 2))]
    assert outcomes(decision) == [
        (A, "credited", None),
        (B, "credited", None),
        (C, "assisted", "not_the_reported_click"),
    ]


def test_a_share_too_fine_for_the_records_is_rounded_by_largest_remainder() -> None:
    fine = [F(1, 3**45), F(1, 3**45), 1 - F(2, 3**45)]
    assert [share.denominator for share in fitted(fine)] == [1, 1, 1]
    assert sum(fitted(fine)) == 1
    thirds = [F(10**20 + 1, 3 * 10**20), F(10**20 - 1, 3 * 10**20), F(1, 3)]
    third = 333_333_333_333_333_333
    assert fitted(thirds) == [F(third + 1, 10**18), F(third, 10**18), F(third, 10**18)]


def test_time_decay_rounds_to_nothing_after_55_half_lives() -> None:
    assert weight(0, 10) == 2**BITS
    assert weight(10 * BITS, 10) == 1
    assert weight(10 * (BITS + 1) - 1, 10) == 1
    assert weight(10 * (BITS + 1), 10) == 0


def test_time_decay_is_the_same_number_on_every_machine() -> None:
    """2^54 * 2^(-days/7), worked out with 60 decimal digits and rounded."""
    week = 7 * DAY
    assert [weight(days * DAY, week) for days in (1, 3, 7, 10)] == [
        16316067027518281,
        13384646653663692,
        9007199254740992,
        6692323326831846,
    ]


def test_an_unknown_model_falls_back_to_the_last_touch_and_says_so() -> None:
    decision = decided([touch(1, A), touch(2, B, 1)], offered("astrology"))
    assert (credit(decision.shares), decision.model) == ([(B, F(1))], "last")


def test_every_model_of_the_catalogue_has_its_file() -> None:
    assert tuple(MODELS) == MODEL_NAMES
    for name, model in MODELS.items():
        assert model.__module__ == f"{models.__name__}.{name}"


def test_a_new_model_is_one_file_and_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is made in memory; the name is what would stand in MODEL_NAMES."""
    source = (
        "from fractions import Fraction\n"
        "from services.attribution.domain.models.case import Case, Given\n"
        "def share(case: Case) -> Given:\n"
        "    middle = len(case.touches) // 2\n"
        "    return Given([Fraction(at == middle) for at in range(len(case.touches))], 'middle')\n"
    )
    module = ModuleType(f"{models.__name__}.middle")
    exec(source, module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    ((name, model),) = models.registered(["middle"]).items()
    monkeypatch.setitem(MODELS, name, model)
    decision = decided([touch(1, A), touch(2, B, 1), touch(3, C, 2)], offered("middle"))
    assert (credit(decision.shares), decision.model) == ([(B, F(1))], "middle")
