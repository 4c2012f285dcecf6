"""Journeys out of touches and conversions, and out of the events of the log."""

from __future__ import annotations

import itertools
from typing import Any

import polars as pl
import pytest
from msgspec.structs import replace

from afflux.kernel.events import Click, ClickFlag, Conversion
from afflux.kernel.events.tracking import ClickOutcome, Status
from afflux.runtime.refused import Refused
from services.attribution.paths.history import Reader, Scope
from services.attribution.paths.journeys import (
    CONVERSIONS,
    TOUCHES,
    as_paths,
    journeys,
    summarised,
    with_repeats,
)
from services.attribution.paths.repeats import Repeats
from services.attribution.paths.summary import paths_of
from services.attribution.paths.weights import fit
from tests.attribution_events import T0, click, conversion, flag, screened

Journey = tuple[int, list[str], int, float, int]


def touch(
    who: str, at: int, channel: str, *, advertiser: int = 1, click_id: str = ""
) -> tuple[Any, ...]:
    return who.encode(), advertiser, at, (click_id or f"{at:04}").encode(), channel


def sale(who: str | None, at: int, value: float = 0.0, *, advertiser: int = 1) -> tuple[Any, ...]:
    return who and who.encode(), advertiser, at, value


def made(
    touches: list[tuple[Any, ...]], sales: list[tuple[Any, ...]], lookback: int = 100
) -> list[Journey]:
    found = journeys(
        pl.DataFrame(touches, schema=TOUCHES, orient="row"),
        pl.DataFrame(sales, schema=CONVERSIONS, orient="row"),
        lookback,
    )
    return found.select("at", "path", "conversions", "value", "nulls").rows()


def test_a_journey_is_the_touches_from_the_lookback_to_the_conversion_both_included() -> None:
    touches = [
        touch("v", at, name) for at, name in [(399, "A"), (400, "B"), (500, "C"), (501, "D")]
    ]
    assert made(touches, [sale("v", 500, 9.5)]) == [(500, ["B", "C"], 1, 9.5, 0)]


def test_each_conversion_of_a_visitor_has_a_journey_of_its_own() -> None:
    touches = [touch("v", 10, "A"), touch("v", 30, "B")]
    assert made(touches, [sale("v", 20), sale("v", 40)]) == [
        (20, ["A"], 1, 0.0, 0),
        (40, ["A", "B"], 1, 0.0, 0),
    ]


def test_who_did_not_convert_has_one_journey_to_null() -> None:
    touches = [touch("v", 10, "A"), touch("v", 150, "B"), touch("v", 200, "A")]
    assert made(touches, []) == [(200, ["B", "A"], 0, 0.0, 1)]


def test_a_conversion_without_touches_has_an_empty_journey() -> None:
    assert made([], [sale("v", 5, 2.0), sale(None, 6)]) == [
        (5, [], 1, 2.0, 0),
        (6, [], 1, 0.0, 0),
    ]


def test_touches_with_another_advertiser_change_nothing() -> None:
    own = [touch("v", 10, "A"), touch("w", 10, "B")]
    foreign = [touch("v", 11, "X", advertiser=2)]
    before = made(own, [sale("v", 20)])
    assert [each for each in made(own + foreign, [sale("v", 20)]) if "X" not in each[1]] == before


def test_touches_of_one_instant_stand_in_the_order_of_their_click_ids() -> None:
    both = [touch("v", 10, "A", click_id="2"), touch("v", 10, "B", click_id="1")]
    for order in itertools.permutations(both):
        assert made(list(order), [sale("v", 10)]) == [(10, ["B", "A"], 1, 0.0, 0)]


@pytest.mark.parametrize(
    ("repeats", "path"),
    [
        (Repeats.KEEP, ["A", "A", "B", "A"]),
        (Repeats.COLLAPSE, ["A", "B", "A"]),
        (Repeats.ONCE, ["A", "B"]),
    ],
)
def test_repeats(repeats: Repeats, path: list[str]) -> None:
    frame = pl.DataFrame({"path": [["A", "A", "B", "A"], []]}, schema={"path": pl.List(pl.String)})
    assert with_repeats(frame, repeats)["path"].to_list() == [path, []]


SCOPE = Scope(lookback_ms=10**12)


def read(
    scope: Scope,
    clicks: list[Click],
    reports: list[Conversion],
    flags: list[ClickFlag] | None = None,
) -> list[tuple[list[str], int, float, int]]:
    reader = Reader(scope, lambda each: str(each.partner_id))
    for each in clicks:
        reader.take_click(each)
    for report in reports:
        reader.take_conversion(report)
    for verdict in flags or []:
        reader.take_flag(verdict)
    summary = summarised(reader.journeys())
    return summary.select("path", "conversions", "value", "nulls").rows()


def test_clicks_and_conversions_of_the_log_become_paths() -> None:
    clicks = [click(1, at=0, partner=100), click(2, at=5, partner=101), click(3, who=2)]
    report = replace(conversion(1, at=10, who=1), value_minor=1250, currency="EUR")
    assert read(SCOPE, clicks, [report]) == [(["100"], 0, 0.0, 1), (["100", "101"], 1, 12.5, 0)]


def test_what_came_twice_counts_once() -> None:
    one, report = click(1), conversion(1, who=1)
    assert read(SCOPE, [one, one], [report, report]) == [(["100"], 1, 10.0, 0)]


def test_refused_clicks_previews_and_invalid_clicks_are_no_touches() -> None:
    bad = click(2, at=1, partner=101)
    others = [
        click(3, at=2, partner=102, outcome=ClickOutcome.PREVIEW),
        click(4, at=3, partner=103, outcome=ClickOutcome.REFUSED),
    ]
    found = read(SCOPE, [click(1), bad, *others], [], [flag(bad, 0), screened(9)])
    assert found == [(["100"], 0, 0.0, 1)]


def test_a_rejected_conversion_is_none() -> None:
    report = replace(conversion(1, who=1), status=Status.REJECTED)
    assert read(SCOPE, [click(1)], [report]) == [(["100"], 0, 0.0, 1)]


def test_an_offer_has_its_own_clicks_and_the_conversions_that_may_be_its() -> None:
    scope = replace(SCOPE, offer_id=7, advertiser_id=1)
    clicks = [click(1, offer_id=7), click(2, at=1, offer_id=8, partner=101)]
    reports = [conversion(1, who=1, offer_id=7), conversion(2, who=1, offer_id=8),
               conversion(3, who=1), conversion(4, named=clicks[1]),
               conversion(5, who=1, advertiser=2)]  # fmt: skip
    assert read(scope, clicks, reports) == [(["100"], 2, 20.0, 0)]


def test_only_the_goal_and_the_time_asked_for() -> None:
    scope = replace(SCOPE, goal="lead", start=T0 + 50, end=T0 + 100)
    reports = [
        conversion(1, at=50, who=1, goal="lead"),
        conversion(2, at=50, who=1),
        conversion(3, at=49, who=1, goal="lead"),
        conversion(4, at=100, who=1, goal="lead"),
    ]
    clicks = [click(1, at=0), click(2, at=99, who=2), click(3, at=100, who=3)]
    assert read(scope, clicks, reports) == [(["100"], 1, 10.0, 1)]


def test_currencies_are_never_added_up() -> None:
    reports = [
        replace(conversion(number, who=1), value_minor=500, currency=currency)
        for number, currency in [(1, "EUR"), (2, "JPY")]
    ]
    with pytest.raises(Refused, match="in EUR, JPY: choose one"):
        read(SCOPE, [click(1)], reports)
    assert read(replace(SCOPE, currency="JPY"), [click(1)], reports) == [(["100"], 1, 500.0, 0)]
    assert read(replace(SCOPE, valued=False), [click(1)], reports) == [(["100"], 2, 0.0, 0)]


def test_a_summary_is_what_the_models_take() -> None:
    frame = pl.DataFrame(
        [(["A", "B"], 1, 5.0, 0), (["A", "B"], 2, 1.0, 3), ([], 1, 2.0, 0)],
        schema={"path": pl.List(pl.String), "conversions": pl.Int64, "value": pl.Float64,
                "nulls": pl.Int64},
        orient="row",
    )  # fmt: skip
    paths = as_paths(summarised(frame))
    assert paths.channels == ("A", "B") and paths.codes.tolist() == [0, 1]
    assert (paths.conversions[0], paths.value[0], paths.nulls[0]) == (3, 6, 3)
    assert paths.untouched == (1, 2)


def test_weights_of_markov_are_removal_effects() -> None:
    paths = paths_of([("AB", 2, 0, 0), ("A", 0, 0, 1), ("B", 0, 0, 1)])
    assert fit(paths, "markov") == {"A": "0.666666667", "B": "1"}


def test_weights_of_shapley_are_mean_shares_whatever_the_size_of_a_channel() -> None:
    """A has 10 conversions alone and half of 2; C half of 2 and nothing else; D had none."""
    paths = paths_of([("A", 10, 0, 0), ("AC", 2, 0, 0), ("D", 0, 0, 4)])
    assert fit(paths, "shapley") == {"A": "0.916666667", "C": "0.5", "D": "0"}
