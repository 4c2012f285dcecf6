"""docs/attribution.md: its catalogue is accepted, and its tables are what is decided."""

from __future__ import annotations

import re
from fractions import Fraction

from afflux.kernel.catalog import MODEL_NAMES, Catalog, ModelTerms
from afflux.kernel.catalog.check import check
from afflux.kernel.catalog.declared import read_declaration
from afflux.kernel.document import Problems
from afflux.kernel.events import Conversion, Decision
from afflux.kernel.types import Millis
from afflux.runtime.paths import ROOT
from afflux.runtime.yaml_document import parse_document
from services.attribution.domain.alternatives import shadow
from services.attribution.domain.decision import decide
from services.attribution.domain.journey import Step
from tests.attribution_cases import credit, journey, known, report, touch
from tests.attribution_events import T0

DAY_MS = 86_400_000
PARTNERS = {"Blog": 1, "Review": 2, "Deals": 3}
TEXT = (ROOT / "docs" / "attribution.md").read_text()


def table(first: str) -> list[list[str]]:
    """The rows of the table whose first heading this is, without the headings."""
    found = re.search(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    assert found is not None
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in found[1].splitlines()]


def catalogue() -> Catalog:
    """The document's catalogue, which `afflux catalog apply` would take."""
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    problems = Problems()
    declaration = read_declaration(parse_document(block, problems), problems, {"UTC"})
    check(declaration, Catalog(), Millis(T0), problems)
    assert not list(problems)
    return known(*(declared.entity for declared in declaration.entities))


def steps() -> list[Step]:
    """The document's touches, at noon of their days."""
    return [
        touch(
            number,
            int(partner),
            int(day.removeprefix("day ")) * DAY_MS,
            kind=kind.removesuffix(", invalid"),
            offer_id=int(offer),
            advertiser=int(offer) // 10,
            invalid=kind.endswith("invalid"),
        )
        for number, (day, partner, offer, kind, _, _) in enumerate(table("touch"))
    ]


def sale(**more: object) -> Conversion:
    """The sale, an hour after the last touch."""
    return report(at=15 * DAY_MS + 3_600_000, advertiser_id=7, **more)


def decided(**more: object) -> Decision:
    """What is decided about it."""
    return decide(sale(**more), journey(*steps()), catalogue(), 10**6)


def test_the_touches_of_the_worked_example_come_to_what_the_document_says() -> None:
    told = [(one.outcome.value, one.reason or "") for one in decided().touches]
    assert told == [(outcome, reason) for *_, outcome, reason in table("touch")]


def test_every_model_gives_what_the_document_says() -> None:
    decision, view = decided(), catalogue()
    rows = [row for row in table("model \\| weights") if row]
    assert [name for name, *_ in rows] == list(MODEL_NAMES)
    for name, weights, *cells in rows:
        given = shadow(decision, ModelTerms(name=name, weights=weights or None), view)
        shares = dict(credit(given.shares))
        parts = [shares.get(partner, Fraction(0)) for partner in PARTNERS.values()]
        assert parts == [Fraction(cell) for cell in cells], name
    assert dict(credit(decision.shares)) == {
        1: Fraction(1, 7),
        2: Fraction(2, 7),
        3: Fraction(4, 7),
    }


def test_the_coupon_of_the_worked_example_has_the_whole() -> None:
    decision = decided(coupon="deals5")
    assert credit(decision.shares) == [(3, Fraction(1))]
    assert [one.reason for one in decision.touches].count("coupon_touch") == 3
