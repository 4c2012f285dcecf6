"""Rows of history become the events of live traffic, with their own times and derived ids."""

from __future__ import annotations

import pytest

from afflux.kernel.catalog import Advertiser, Catalog, Entity, Goal, Landing, Link, Offer, Partner
from afflux.kernel.catalog.declared import Declaration, Declared
from afflux.kernel.catalog.entities import Terms
from afflux.kernel.catalog.plan import changes, make_plan
from afflux.kernel.document import Problems
from afflux.kernel.events import Authentication, Channel, Click, Conversion, PartitionReason
from afflux.kernel.ids import ulid_time
from afflux.kernel.types import Millis
from afflux.runtime.yaml_document import parse_document
from services.tracking.domain.agents import UNKNOWN, Agent
from services.tracking.domain.refusal import Refusal
from services.tracking.importer_catalog import Creation, Index, Wanted, creation_plan
from services.tracking.importer_map import ImportMap, check_header, read_map
from services.tracking.importer_rows import Context, Keys, Ready, build_row, visitor_key, wanted

NOW = Millis(1_800_000_000_000)
AT = 1_654_874_903_000  # 2022-06-10T15:28:23Z
CLICKS = """
name: shop
time: at
identity: [session]
visitor: user
partner: {columns: [medium, source], values: {a/b: Blog}, default: Other}
offer: {constant: "5"}
user_agent: ua
sub1: medium
"""
CONVERSIONS = """
name: shop
where: {total: {present: true}}
time: {column: at, format: "%d.%m.%Y %H:%M:%S", zone: Europe/Berlin}
visitor: user
advertiser: {constant: "3"}
offer: {column: offer}
goal: {column: event, values: {buy: sale}}
txn_id: order
amount: total
currency: {constant: EUR}
csv: {decimal_comma: true}
"""


class Nobody:
    def classify(self, user_agent: str, hints: str | None = None) -> Agent:
        return UNKNOWN


def read(kind: str, text: str) -> ImportMap:
    problems = Problems()
    found = read_map(parse_document(text, problems), kind, problems)
    assert found is not None, list(problems)
    return found


def catalog() -> Catalog:
    entities: list[Entity] = [
        Advertiser(id=3, name="Shop"),
        Offer(
            id=5,
            advertiser_id=3,
            name="Shop offer",
            landings=[Landing(id=1, url="https://shop.example/")],
            goals=[Goal(name="sale", revenue=Terms(percent="10"))],
        ),
        Partner(id=1, name="Blog"),
        Partner(id=2, name="Other"),
        Link(id=11, code="blog", partner_id=1, offer_id=5),
    ]
    made = Catalog()
    declaration = Declaration(tuple(Declared(each, None, None, 1, "x") for each in entities))
    for change in changes(make_plan(declaration, made, NOW), NOW, NOW, "test", None):
        made.apply(change)
    return made


INDEX = Index(catalog(), NOW)
CLICK_ROW = {
    "at": "2022-06-10T15:28:23Z",
    "session": "s1",
    "user": "u1",
    "medium": "a",
    "source": "b",
    "ua": "Firefox",
}
REPORT_ROW = {
    "at": "10.06.2022 17:28:23",
    "user": "u1",
    "offer": "Shop offer",
    "event": "buy",
    "order": "A-1",
    "total": "1.234,50",
}


def context(found: ImportMap) -> Context:
    keys = Keys(visitor=b"v" * 32, customer=b"c" * 32, address=b"a" * 32, clicks={})
    return Context(found, keys, "import:test", 0, Nobody())


def click(row: dict[str, str], text: str = CLICKS) -> Ready | Refusal:
    return build_row(row, 7, INDEX, NOW, context(read("clicks", text)))


def report(row: dict[str, str], text: str = CONVERSIONS) -> Ready | Refusal:
    return build_row(row, 7, INDEX, NOW, context(read("conversions", text)))


def test_a_click_keeps_its_time_and_names_its_place_in_the_file() -> None:
    made = click(CLICK_ROW)
    assert isinstance(made, Ready) and isinstance(made.event, Click)
    event = made.event
    assert (event.occurred_at, event.recorded_at) == (AT, NOW)
    assert ulid_time(event.click_id) == AT
    assert (event.partner_id, event.offer_id, event.advertiser_id, event.link_id) == (1, 5, 3, 11)
    assert (event.sub, event.user_agent) == (["a"], "Firefox")
    assert (event.edge_id, event.journal_position) == ("import:test", 7)


def test_I3_ids_derive_from_the_row_alone() -> None:
    again = build_row(CLICK_ROW, 99, INDEX, Millis(NOW + 5), context(read("clicks", CLICKS)))
    first = click(CLICK_ROW)
    assert isinstance(first, Ready) and isinstance(again, Ready)
    assert (again.row_id, again.event.event_id) == (first.row_id, first.event.event_id)
    other = click({**CLICK_ROW, "session": "s2"})
    assert isinstance(other, Ready) and other.row_id != first.row_id
    same_session = click({**CLICK_ROW, "ua": "Chrome"})
    assert isinstance(same_session, Ready) and same_session.row_id == first.row_id


def test_without_an_identity_the_whole_row_is_it() -> None:
    text = CLICKS.replace("identity: [session]\n", "")
    one, two = click(CLICK_ROW, text), click({**CLICK_ROW, "ua": "Chrome"}, text)
    assert isinstance(one, Ready) and isinstance(two, Ready) and one.row_id != two.row_id


def test_a_conversion_goes_to_its_visitors_partition_and_says_import() -> None:
    made = report(REPORT_ROW)
    assert isinstance(made, Ready) and isinstance(made.event, Conversion)
    event = made.event
    assert event.occurred_at == AT, "17:28:23 in Berlin in summer"
    assert (event.value_minor, event.currency) == (123_450, "EUR")
    assert (event.goal, event.offer_id, event.transaction_id) == ("sale", 5, "A-1")
    assert event.channel is Channel.IMPORT
    assert event.authentication is Authentication.NONE
    assert event.partition_reason is PartitionReason.VISITOR
    clicked = click(CLICK_ROW)
    assert isinstance(clicked, Ready) and event.key == clicked.event.key


def test_visitors_of_two_sources_never_meet() -> None:
    one = context(read("clicks", CLICKS))
    two = context(read("clicks", CLICKS.replace("name: shop", "name: other")))
    assert visitor_key(one, "u1") != visitor_key(two, "u1")


def test_I1_I2_the_key_of_a_conversion_is_that_of_live_traffic() -> None:
    first, changed = report(REPORT_ROW), report({**REPORT_ROW, "total": "1,00"})
    assert isinstance(first, Ready) and isinstance(changed, Ready)
    assert first.row_id == changed.row_id
    assert first.body_hash != changed.body_hash


WRONG_CLICKS = [
    ({"at": "yesterday"}, "field_invalid", "at"),
    ({"at": ""}, "field_invalid", "at"),
    ({"at": "2999-01-01T00:00:00Z"}, "field_invalid", "at"),
    ({"at": "1960-01-01T00:00:00Z"}, "field_invalid", "at"),
    ({"user": " "}, "field_missing", "visitor"),
    ({"medium": "x"}, "link_unknown", "link"),  # becomes Other, who has no link
]
WRONG_REPORTS = [
    ({"total": "12,345"}, "field_invalid", "amount"),
    ({"total": "-1"}, "field_invalid", "amount"),
    ({"event": "lead"}, "goal_unknown", "goal"),
    ({"event": ""}, "field_missing", "goal"),
    ({"order": ""}, "field_missing", "txn_id"),
    ({"offer": "99"}, "field_invalid", "offer_id"),
    ({"at": "10.06.1999 17:28:23"}, "field_invalid", "order_time"),
]


@pytest.mark.parametrize(("change", "reason", "field"), WRONG_CLICKS)
def test_a_wrong_click_is_refused_with_reason_and_field(
    change: dict[str, str], reason: str, field: str
) -> None:
    made = click({**CLICK_ROW, **change})
    assert isinstance(made, Refusal) and (made.reason, made.field) == (reason, field)


@pytest.mark.parametrize(("change", "reason", "field"), WRONG_REPORTS)
def test_a_wrong_conversion_is_refused_with_reason_and_field(
    change: dict[str, str], reason: str, field: str
) -> None:
    made = report({**REPORT_ROW, **change})
    assert isinstance(made, Refusal) and (made.reason, made.field) == (reason, field)


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        ("epoch_s", "1654874903"),
        ("epoch_s", "1654874903.000"),
        ("epoch_ms", "1654874903000"),
        ("iso", "2022-06-10T17:28:23+02:00"),
        ("iso", "2022-06-10 15:28:23"),
        ('"%Y/%m/%d %H:%M:%S"', "2022/06/10 15:28:23"),
    ],
)
def test_times_in_every_format(format_: str, text: str) -> None:
    map_text = CLICKS.replace("time: at", f"time: {{column: at, format: {format_}}}")
    made = click({**CLICK_ROW, "at": text}, map_text)
    assert isinstance(made, Ready) and made.event.occurred_at == AT


def test_what_is_missing_is_created_once_through_the_way_of_the_catalogue() -> None:
    found = read("clicks", CLICKS.replace("default: Other", "create: {group: new}"))
    assert found.partner is not None
    rows = [{**CLICK_ROW, "source": text} for text in ("b", "c", "c", "d")]
    names = wanted(rows, found)
    creation = Creation(found.partner.create, None, links=True)
    own = catalog()
    plan = creation_plan(own, NOW, names, creation)
    made = [(step.kind, step.entity_id, getattr(step.entity, "name", "")) for step in plan.steps]
    assert made[:2] == [("partner", "3", "a/c"), ("partner", "4", "a/d")]
    assert [kind for kind, _, _ in made[2:]] == ["link", "link"]
    for change in changes(plan, NOW, NOW, "test", None):
        own.apply(change)
    assert not Index(own, NOW).missing(names, creation)
    assert not Index(own, NOW).missing(Wanted(("", "a/c")), Creation(None, None, links=False))


WRONG_MAPS = [
    ("visitor: user", "", "visitor", "is required"),
    ("visitor: user", "visitr: user", "visitr", "did you mean 'visitor'?"),
    ("visitor: user", "visitor: {constant: a, column: b}", "visitor", "one of column"),
    ("time: at", "time: {format: iso}", "time.column", "is required"),
    ("time: at", "time: {column: at, zone: Mars}", "time.zone", "no zone 'Mars'"),
    ("name: shop", "name: A Shop", "name", "not a name"),
    ("default: Other", "create: {currency: XXQ}", "partner.create.currency", "ISO 4217"),
    ("default: Other", "create: maybe", "partner.create", "neither true nor false"),
    ("identity: [session]", "identity: []", "identity", "at least 1"),
]


@pytest.mark.parametrize(("old", "new", "path", "sentence"), WRONG_MAPS)
def test_a_wrong_map_names_its_line(old: str, new: str, path: str, sentence: str) -> None:
    problems = Problems()
    assert read_map(parse_document(CLICKS.replace(old, new), problems), "clicks", problems) is None
    assert any(each.path == path and sentence in each.message for each in problems), list(problems)


def test_a_column_the_file_does_not_have_is_named() -> None:
    problems = Problems()
    check_header(
        ["at", "sesion", "user", "medium", "source", "ua"], read("clicks", CLICKS), problems
    )
    assert [each.message for each in problems] == [
        "there is no column 'session'; did you mean 'sesion'?"
    ]
