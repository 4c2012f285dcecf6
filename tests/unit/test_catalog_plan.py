"""Plans: what a file changes, and what it leaves alone."""

from __future__ import annotations

from afflux.kernel.catalog import Catalog, FxRate, Goal, Offer, Partner, Terms
from afflux.kernel.catalog.check import check
from afflux.kernel.catalog.declared import Declaration, read_declaration
from afflux.kernel.catalog.plan import Plan, changes, differences, make_plan
from afflux.kernel.document import Problems
from afflux.kernel.types import Millis
from afflux.runtime.yaml_document import parse_document

T1, T2, T3 = Millis(1_700_000_000_000), Millis(1_710_000_000_000), Millis(1_720_000_000_000)
FAR = Millis(2**62)


def declare(text: str) -> Declaration:
    problems = Problems()
    declaration = read_declaration(parse_document(text, problems), problems, {"UTC"})
    check(declaration, Catalog(), T1, problems)
    assert [each for each in problems if "exist" not in each.message] == []
    return declaration


def apply(catalog: Catalog, text: str, now: Millis) -> Plan:
    plan = make_plan(declare(text), catalog, now)
    for change in changes(plan, now, Millis(now + 1000), "test", None):
        assert catalog.apply(change)
    return plan


def group(catalog: Catalog, at: Millis, known: Millis = FAR) -> str | None:
    partner = catalog.find(Partner, 1, at, known)
    return None if partner is None else partner.group


def test_a_first_version_holds_since_ever_a_later_one_from_now_on() -> None:
    catalog = Catalog()
    apply(catalog, "partners: [{id: 1, name: A, group: one}]", T1)
    apply(catalog, "partners: [{id: 1, name: A, group: two}]", T2)
    assert group(catalog, Millis(0)) == "one"
    assert group(catalog, Millis(T2 - 1)) == "one"
    assert group(catalog, T2) == "two"
    assert group(catalog, T2, known=Millis(T2 + 999)) == "one", "not yet known"


def test_a_retroactive_version_rewrites_the_past_as_known_later() -> None:
    catalog = Catalog()
    apply(catalog, "partners: [{id: 1, name: A, group: one}]", T1)
    apply(catalog, "partners: [{id: 1, name: A, group: two, valid_from: 2023-01-01}]", T2)
    assert group(catalog, T1) == "two"
    assert group(catalog, T1, known=T2) == "one"


def test_a_version_with_an_end_gives_way_to_what_was_before() -> None:
    catalog = Catalog()
    apply(catalog, "partners: [{id: 1, name: A, group: one}]", T1)
    promotion = (
        "partners: [{id: 1, name: A, group: top, valid_from: 2024-01-01, valid_to: 2024-02-01}]"
    )
    assert len(apply(catalog, promotion, T1).steps) == 1
    assert group(catalog, Millis(1_705_000_000_000)) == "top"
    assert group(catalog, Millis(1_707_000_000_000)) == "one"
    assert apply(catalog, promotion, T2).steps == ()


def test_what_a_file_does_not_name_is_untouched_and_deleting_is_explicit() -> None:
    catalog = Catalog()
    apply(catalog, "partners: [{id: 1, name: A}, {id: 2, name: B}]", T1)
    assert apply(catalog, "partners: [{id: 2, name: B}]", T2).steps == ()
    assert catalog.find(Partner, 1, T2, FAR) is not None
    (step,) = apply(catalog, "delete: [{partner: 1}]", T2).steps
    assert (step.sign, step.version) == ("-", 2)
    assert catalog.find(Partner, 1, T2, FAR) is None
    assert catalog.find(Partner, 1, Millis(T2 - 1), FAR) is not None
    assert apply(catalog, "delete: [{partner: 1}]", T3).steps == ()
    (again,) = apply(catalog, "partners: [{id: 1, name: A}]", T3).steps
    assert (again.sign, again.version, again.valid_from) == ("+", 3, T3)


def test_rates_with_their_own_times_are_a_history() -> None:
    text = (
        "fx_rates:\n"
        "  - {base: EUR, quote: USD, rate: '1.05', source: x, valid_from: ever}\n"
        "  - {base: EUR, quote: USD, rate: '1.10', source: x, valid_from: 2024-01-01}\n"
    )
    catalog = Catalog()
    assert len(apply(catalog, text, T1).steps) == 2
    early = catalog.find(FxRate, "EUR/USD", T1, FAR)
    late = catalog.find(FxRate, "EUR/USD", T2, FAR)
    assert early and late and (early.rate, late.rate) == ("1.05", "1.1")
    assert apply(catalog, text, T2).steps == ()


def test_a_difference_names_each_field() -> None:
    offer = (
        "offers:\n"
        "  - id: 1\n    advertiser: 1\n    name: A\n    window: {window}\n"
        "    landings: [{{id: 1, url: 'https://a.example/'}}]\n"
        "    goals: [{{name: sale, revenue: {revenue}}}]\n"
    )
    catalog = Catalog()
    for text in ("advertisers: [{id: 1, name: A}]", offer.format(window="30d", revenue="10%")):
        plan = make_plan(_unchecked(text), catalog, T1)
        for change in changes(plan, T1, T1, "test", None):
            catalog.apply(change)
    changed = _unchecked(offer.format(window="12h", revenue="10% + 1.00 EUR"))
    (step,) = make_plan(changed, catalog, T2).steps
    assert [(each.path, each.before, each.after) for each in differences(step)] == [
        ("goals.sale.revenue", "10%", "10% + 1.00 EUR"),
        ("window", None, "12h"),
    ]


def test_a_hold_of_a_goal_wins_over_the_offers_and_seconds_over_days() -> None:
    goal = Goal(name="sale", revenue=Terms(percent="1"))
    offer = Offer(id=1, advertiser_id=1, name="A", landings=[], goals=[goal], hold_seconds=5)
    assert offer.hold_s(goal) == 5
    assert offer.hold_s(Goal(name="x", revenue=Terms(percent="1"), hold_days=2)) == 172_800
    assert offer.hold_s(Goal(name="x", revenue=Terms(percent="1"), hold_seconds=0)) == 0


def _unchecked(text: str) -> Declaration:
    problems = Problems()
    declaration = read_declaration(parse_document(text, problems), problems, {"UTC"})
    assert not list(problems)
    return declaration
