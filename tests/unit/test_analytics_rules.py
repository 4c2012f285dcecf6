"""KPIs, filters, reports and comparisons: the pure part of analytics."""

from __future__ import annotations

from fractions import Fraction

import pytest

from services.analytics.domain.conservation import Place, Tally, compare, merge
from services.analytics.domain.filters import (
    Dimension,
    Every,
    Is,
    Not,
    Refusal,
    Some,
    parse_condition,
    parse_where,
    restricted,
)
from services.analytics.domain.kpis import BY_NAME, KPIS, chosen
from services.analytics.domain.query import Query, compile_query
from services.analytics.domain.report import FactRows, table

D = Dimension
CLICKS = FactRows((D.PARTNER,), {(1,): {"clicks_gross": 4, "clicks_invalid": 1}})


def money(rows: dict[tuple[int, str], int]) -> FactRows:
    return FactRows(
        (D.PARTNER, D.CURRENCY), {key: {"commission": minor} for key, minor in rows.items()}
    )


def test_K1_one_doubled_row_is_named_with_its_bucket() -> None:
    place, other = Place("tracking.clicks", 0, 1), Place("tracking.clicks", 0, 0)
    kafka = {place: Tally().add(5, 10), other: Tally().add(7, 1)}
    rows = {place: Tally().add(5, 10).add(5, 10), other: Tally().add(7, 1)}
    report = compare(kafka, rows)
    assert not report.clean
    assert [mismatch.place for mismatch in report.mismatches] == [place]
    assert "offsets from 10000: 1 records in Kafka, 2 rows" in report.mismatches[0].text()
    assert compare(kafka, kafka).clean


def test_K1_a_row_that_changed_differs_by_its_hash_alone() -> None:
    place = Place("tracking.clicks", 0, 0)
    report = compare({place: Tally().add(5, 1)}, {place: Tally().add(6, 1)})
    assert "hashes differ" in report.mismatches[0].text()


def test_K1_decoded_and_undecodable_rows_of_a_bucket_add_up() -> None:
    place = Place("tracking.clicks", 0, 0)
    assert merge([(place, Tally(2, 3, 4)), (place, Tally(1, 1, 0))]) == {place: Tally(3, 2, 4)}


def test_each_kpi_is_defined_once_and_says_what_it_means() -> None:
    assert len(BY_NAME) == len(KPIS)
    assert all(kpi.sentence.endswith(".") and kpi.formula for kpi in KPIS)


def test_a_quotient_is_exact_and_nothing_is_divided_by_zero() -> None:
    measures = {
        "clicks_gross": 10,
        "clicks_invalid": 3,
        "conversions": 3,
        "conversions_rejected": 1,
    }
    assert BY_NAME["cr"].compute(measures) == Fraction(2, 7)
    assert BY_NAME["ecpt"].compute({**measures, "commission": 7}) == 1000
    assert BY_NAME["cr"].compute({"conversions": 1}) is None


def test_one_currency_is_no_dimension_and_several_are_never_added() -> None:
    kpis = chosen("clicks_valid,commission,epc", for_partner=False)
    one = table((D.PARTNER,), [CLICKS, money({(1, "EUR"): 100})], kpis)
    assert one.dimensions == (D.PARTNER,)
    assert [row.cells for row in one.rows] == [(3, "1.00", "0.333333")]
    two = table((D.PARTNER,), [CLICKS, money({(1, "EUR"): 100, (1, "JPY"): 100})], kpis)
    assert two.dimensions == (D.PARTNER, D.CURRENCY)
    assert [(row.key, row.cells) for row in two.rows] == [
        ((1, "EUR"), (3, "1.00", "0.333333")),
        ((1, "JPY"), (3, "100", "33.3333")),
    ]


def test_what_clicks_cannot_be_split_by_stands_in_every_row() -> None:
    sales = FactRows(
        (D.PARTNER, D.GOAL), {(1, "sale"): {"conversions": 1}, (1, "lead"): {"conversions": 2}}
    )
    others = FactRows((D.PARTNER,), {(1,): {"clicks_gross": 4}, (2,): {"clicks_gross": 6}})
    kpis = chosen("clicks_gross,conversions", for_partner=False)
    report = table((D.PARTNER, D.GOAL), [others, sales], kpis)
    assert [(row.key, row.cells) for row in report.rows] == [
        ((1, "lead"), (4, 2)),
        ((1, "sale"), (4, 1)),
        ((2, ""), (6, 0)),
    ]


def test_a_report_without_dimensions_always_has_its_row() -> None:
    report = table((), [], chosen("clicks_gross,cr", for_partner=False))
    assert [row.cells for row in report.rows] == [(0, None)]


def test_conditions_are_read_as_they_are_written() -> None:
    assert parse_condition("partner=1,2") == Is(D.PARTNER, (1, 2))
    assert parse_condition("country!=DE") == Not(Is(D.COUNTRY, ("DE",)))
    assert parse_where(["sub1=a=b"]) == Every((Is(D.SUB1, ("a=b",)),))


@pytest.mark.parametrize("text", ["partner", "partner=x", "nobody=1", "partner=9" + "0" * 19])
def test_a_condition_without_meaning_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(Refusal, match=r"\w+ \w+"):
        parse_condition(text)


def test_a_foreign_condition_is_left_out_at_the_top_and_refused_below() -> None:
    known = frozenset({D.PARTNER})
    goal, partner = Is(D.GOAL, ("sale",)), Is(D.PARTNER, (1,))
    assert restricted(Every((goal, partner)), known) == Every((partner,))
    assert restricted(Not(goal), known) == Every(())
    with pytest.raises(Refusal):
        restricted(Some((goal, partner)), known)


def test_K4_no_value_ever_stands_in_the_sql() -> None:
    hostile = "x') OR 1=1 --"
    where = Every((Is(D.COUNTRY, (hostile,)), Not(Is(D.SUB3, (hostile,))), Is(D.GOAL, (hostile,))))
    for compiled in compile_query(Query((D.PARTNER, D.DAY), where)):
        assert hostile not in compiled.sql
        assert [hostile] in compiled.parameters.values()


@pytest.mark.parametrize("query", [Query((D.DAY, D.DAY)), Query(start=5, end=5)])
def test_a_query_without_meaning_is_refused(query: Query) -> None:
    with pytest.raises(Refusal):
        compile_query(query)
