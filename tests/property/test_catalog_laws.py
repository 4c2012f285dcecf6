"""Whatever a catalogue holds: applying twice writes once, an export applies to no change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.catalog import (
    Advertiser,
    Approval,
    CapPeriod,
    CapScope,
    Catalog,
    ClickCap,
    CommissionRule,
    Day,
    Device,
    Entity,
    FraudAction,
    FxRate,
    Goal,
    Hours,
    Landing,
    Link,
    Network,
    Offer,
    OfferGroup,
    Partner,
    State,
    System,
    Targeting,
    Terms,
)
from afflux.kernel.catalog.check import check
from afflux.kernel.catalog.declared import Declaration, Declared, Removal, read_declaration
from afflux.kernel.catalog.export import export_catalog
from afflux.kernel.catalog.plan import answer, changes, make_plan
from afflux.kernel.document import Problems
from afflux.kernel.types import Millis
from afflux.runtime.catalog_file import to_yaml
from afflux.runtime.yaml_document import parse_document

FAR = Millis(2**62)
ids = st.integers(1, 4)
syllables = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=9)
names = st.lists(syllables, min_size=1, max_size=2).map(" ".join)
words = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,8}", fullmatch=True)
codes = st.from_regex(r"[A-Za-z0-9_-]{1,9}", fullmatch=True)
currencies = st.sampled_from(["EUR", "USD", "JPY", "KWD"])
seconds = st.integers(0, 400 * 86_400)
states = st.sampled_from(State)
percents = st.decimals(0, 100, places=3).map(lambda value: f"{value.normalize():f}")
terms = st.one_of(
    st.builds(Terms, percent=percents),
    st.builds(Terms, flat_minor=st.integers(0, 10**9), currency=currencies),
    st.builds(Terms, percent=percents, flat_minor=st.integers(0, 10**9), currency=currencies),
)
goals = st.builds(
    Goal,
    name=words,
    revenue=terms,
    commission=st.none() | terms,
    approval=st.sampled_from(Approval),
    hold_seconds=st.none() | seconds,
    window_s=st.none() | seconds,
)
landings = st.builds(
    Landing,
    id=st.integers(1, 9),
    url=st.sampled_from(["https://a.example/?c={click_id}", "http://b.example:8080/{sub1}#x"]),
    weight=st.integers(1, 5),
)
actions = st.sampled_from(FraudAction)
fallbacks = st.none() | st.sampled_from(["https://a.example/?c={click_id}", "http://b.example/"])


def some(*values: object) -> st.SearchStrategy[list[object]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True)


targeting = st.builds(
    Targeting,
    countries=some("DE", "NO", "FR"),
    not_countries=some("US", "NO"),
    devices=some(*Device),
    systems=some(*System),
    not_languages=some("de", "no", "pt-br"),
    partners=st.lists(ids, max_size=2),
    schedule=st.lists(
        st.builds(
            Hours,
            days=st.lists(st.sampled_from(Day), min_size=1, unique=True),
            start=st.integers(0, 1_439),
            end=st.integers(0, 1_440),
        ),
        max_size=2,
    ),
)
caps = st.builds(
    ClickCap,
    clicks=st.integers(1, 10**12),
    per=st.sampled_from(CapPeriod),
    each=st.sampled_from(CapScope),
)
offers = st.builds(
    Offer,
    id=ids,
    advertiser_id=ids,
    name=names,
    status=states,
    landings=st.lists(landings, min_size=1, max_size=3, unique_by=lambda each: each.id),
    goals=st.lists(goals, min_size=1, max_size=3, unique_by=lambda each: each.name),
    click_window_s=seconds,
    hold_seconds=st.none() | seconds,
    repeat_click_s=seconds,
    ctit_floor_s=seconds,
    on_short_ctit=actions,
    on_repeated_click=actions,
    on_bot_click=actions,
    group=st.none() | words,
    time_zone=st.none() | st.just("UTC"),
    targeting=targeting,
    click_caps=st.lists(caps, max_size=2),
    fallback_offer_id=st.none() | ids,
    fallback_url=fallbacks,
    deep_link_params=st.none() | st.just("cid={click_id}&x=1"),
)
entities: st.SearchStrategy[Entity] = st.one_of(
    st.builds(Network, name=names, currency=currencies),
    st.builds(
        Advertiser,
        id=ids,
        name=names,
        currency=currencies,
        status=states,
        hosts=st.lists(st.sampled_from(["a.example", "*.b.example"]), max_size=2),
        allow_token=st.booleans(),
        allow_pixel=st.booleans(),
    ),
    st.builds(Partner, id=ids, name=names, group=st.none() | words, currency=currencies),
    offers,
    st.builds(OfferGroup, id=words, fallback_offer_id=st.none() | ids, fallback_url=fallbacks),
    st.builds(
        Link,
        id=ids,
        code=codes,
        partner_id=ids,
        offer_id=ids,
        status=states,
        creative_id=st.none() | ids,
    ),
    st.builds(
        CommissionRule,
        id=words,
        terms=terms,
        partner_id=st.none() | ids,
        group=st.none() | words,
        priority=st.integers(-5, 5),
    ),
    st.builds(
        FxRate,
        base=currencies,
        quote=currencies,
        rate=st.sampled_from(["1.08", "0.000001", "162"]),
        source=names,
    ),
)
instants = st.integers(1, 1_000_000).map(Millis)


@st.composite
def declared(draw: st.DrawFn) -> Declared:
    start = draw(st.none() | instants)
    end = None
    if start is not None:
        end = draw(st.none() | st.integers(start + 1, start + 1_000_000).map(Millis))
    return Declared(draw(entities), start, end, 1, "x")


def unique(items: list[Declared]) -> tuple[Declared, ...]:
    return tuple({(each.entity.kind, each.entity.entity_id): each for each in items}.values())


files = st.lists(declared(), max_size=8).map(lambda items: Declaration(unique(items)))


def apply(catalog: Catalog, declaration: Declaration, now: Millis) -> int:
    plan = make_plan(declaration, catalog, now)
    for change in changes(plan, now, Millis(now + 1), "test", None):
        assert catalog.apply(change)
    return len(plan.steps)


@given(st.lists(files, min_size=1, max_size=4))
def test_applying_a_file_again_writes_nothing(history: list[Declaration]) -> None:
    catalog = Catalog()
    for number, declaration in enumerate(history, start=1):
        now = Millis(number * 200_000)
        apply(catalog, declaration, now)
        assert apply(catalog, declaration, Millis(now + 1)) == 0


@given(st.lists(files, min_size=1, max_size=3))
def test_what_a_file_declares_holds_from_then_on(history: list[Declaration]) -> None:
    catalog = Catalog()
    for number, declaration in enumerate(history, start=1):
        now = Millis(number * 200_000)
        apply(catalog, declaration, now)
        for each in declaration.entities:
            at = now if each.valid_from is None else each.valid_from
            versions = catalog.history(each.entity.kind, each.entity.entity_id)
            assert answer(versions, at) == each.entity


@given(st.lists(files, min_size=1, max_size=3))
def test_an_earlier_knowledge_never_changes(history: list[Declaration]) -> None:
    catalog = Catalog()
    seen: list[tuple[Millis, dict[str, object]]] = []
    for number, declaration in enumerate(history, start=1):
        now = Millis(number * 200_000)
        apply(catalog, declaration, now)
        known = Millis(now + 1)
        seen.append((known, export_catalog(catalog, known, known)))
    for known, before in seen:
        assert export_catalog(catalog, known, known) == before


@given(st.lists(files, min_size=1, max_size=3))
def test_an_export_reads_back_as_the_same_catalogue(history: list[Declaration]) -> None:
    catalog = Catalog()
    for number, declaration in enumerate(history, start=1):
        apply(catalog, declaration, Millis(number * 200_000))
    now = Millis(10_000_000)
    problems = Problems()
    text = to_yaml(export_catalog(catalog, now, FAR))
    again = read_declaration(parse_document(text, problems), problems, {"UTC"})
    assert not list(problems), text
    assert make_plan(again, catalog, now).steps == ()


@given(files, st.data())
def test_a_deleted_entity_is_gone_from_then_on(
    declaration: Declaration, data: st.DataObject
) -> None:
    catalog = Catalog()
    apply(catalog, declaration, Millis(100))
    if not declaration.entities:
        return
    victim = data.draw(st.sampled_from(declaration.entities)).entity
    gone = Declaration(removals=(Removal(victim.kind, victim.entity_id, None, 1, "x"),))
    apply(catalog, gone, Millis(5_000_000))
    assert answer(catalog.history(victim.kind, victim.entity_id), Millis(5_000_000)) is None
    assert apply(catalog, gone, Millis(6_000_000)) == 0


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_lines(text: str) -> None:
    problems = Problems()
    declaration = read_declaration(parse_document(text, problems), problems, {"UTC"})
    check(declaration, Catalog(), Millis(1), problems)
    assert all(each.line >= 1 and each.message for each in problems)
