"""A wrong catalogue file is refused whole: every error with its line, its path and a sentence."""

from __future__ import annotations

import pytest

from afflux.kernel.catalog import Catalog
from afflux.kernel.catalog.check import check
from afflux.kernel.catalog.declared import read_declaration
from afflux.kernel.document import Problem, Problems
from afflux.kernel.types import Millis
from afflux.runtime.yaml_document import parse_document

NOW = Millis(1_700_000_000_000)
ZONES = {"UTC", "Europe/Berlin"}
BASE = """
advertisers:
  - {id: 1, name: Shop}
partners:
  - {id: 1, name: Blog, group: gold}
offers:
  - id: 1
    advertiser: 1
    name: Offer
    landings: [{id: 1, url: "https://shop.example/?c={click_id}"}]
    goals:
      - {name: sale, revenue: 10%, commission: 5% + 0.50 EUR}
links:
  - {id: 1, code: abc, partner: 1, offer: 1}
commission_rules:
  - {id: all, terms: 5%}
fx_rates:
  - {base: EUR, quote: USD, rate: "1.08", source: test}
"""


def problems_of(text: str) -> list[Problem]:
    problems = Problems()
    declaration = read_declaration(parse_document(text, problems), problems, ZONES)
    check(declaration, Catalog(), NOW, problems)
    return list(problems)


def test_the_base_file_is_right() -> None:
    assert problems_of(BASE) == []


WRONG = [
    # (what stands in the base file, what stands there instead, path, part of the sentence)
    ("partner: 1, offer", "partner: 7, offer", "links[0].partner", "no partner '7'"),
    ("partner: 1, offer: 1", "partner: 1, offer: 9", "links[0].offer", "no offer '9'"),
    ("advertiser: 1", "advertiser: 2", "offers[0].advertiser", "no advertiser '2'"),
    ("{id: 1, name: Shop}", "{id: 0, name: Shop}", "advertisers[0].id", "not an id"),
    ("{id: 1, name: Shop}", "{id: x, name: Shop}", "advertisers[0].id", "not an id"),
    ("{id: 1, name: Shop}", "{id: 1}", "advertisers[0].name", "is required"),
    ("{id: 1, name: Shop}", "{id: 1, nam: Shop}", "advertisers[0].nam", "did you mean 'name'?"),
    ("{id: 1, name: Shop}", "{id: 1, name: a, name: b}", "advertisers[0].name", "twice"),
    ("name: Shop}", "name: Shop, currency: EURO}", "advertisers[0].currency", "ISO 4217"),
    ("name: Shop}", "name: Shop, currency: eur}", "advertisers[0].currency", "ISO 4217"),
    ("name: Shop}", "name: Shop, status: off}", "advertisers[0].status", "active, paused"),
    ("name: Shop}", "name: Shop, hosts: [a/b]}", "advertisers[0].hosts[0]", "host name"),
    ("name: Shop}", "name: Shop, allow_token: 1}", "advertisers[0].allow_token", "true nor false"),
    ("group: gold", "group: Gold!", "partners[0].group", "not a name"),
    ("0.50 EUR", "0.505 EUR", "offers[0].goals[0].commission", "more decimals than EUR allows"),
    ("0.50 EUR", "-0.50 EUR", "offers[0].goals[0].commission", "is negative"),
    ("0.50 EUR", "1e3 EUR", "offers[0].goals[0].commission", "not a decimal amount"),
    ("0.50 EUR", "0.5 JPY", "offers[0].goals[0].commission", "more decimals than JPY"),
    ("0.50 EUR", "0.50", "offers[0].goals[0].commission", "is not like"),
    ("5% + 0.50 EUR", "{flat: 1.00}", "offers[0].goals[0].commission", "currency is missing"),
    ("5% + 0.50 EUR", "{currency: EUR}", "offers[0].goals[0].commission", "neither percent nor"),
    ("revenue: 10%", "revenue: 101%", "offers[0].goals[0].revenue", "between 0 and 100"),
    ("revenue: 10%", "revenue: -1%", "offers[0].goals[0].revenue", "between 0 and 100"),
    ("revenue: 10%", "revenue: 1.2345678%", "offers[0].goals[0].revenue", "more than 6 decimals"),
    ("revenue: 10%", "revenue: much", "offers[0].goals[0].revenue", "is not like"),
    ("{click_id}", "{clickid}", "offers[0].landings[0].url", "unknown macro {clickid}"),
    ("{click_id}", "{click_id", "offers[0].landings[0].url", "brace without its partner"),
    ("shop.example/", "{sub1}.example/", "offers[0].landings[0].url", "in the host"),
    ("https://shop", "ftp://shop", "offers[0].landings[0].url", "http or https"),
    ("https://shop", "javascript:shop", "offers[0].landings[0].url", "http or https"),
    ("https://shop.example/", "https:///", "offers[0].landings[0].url", "missing or malformed"),
    ("https://shop", "https://me:pw@shop", "offers[0].landings[0].url", "user name"),
    ("?c=", "\\r\\n?c=", "offers[0].landings[0].url", "cannot hold the character"),
    ("?c=", " ?c=", "offers[0].landings[0].url", "cannot hold the character"),
    ("[{id: 1, url", "[{id: 1, weight: -1, url", "offers[0].landings[0].weight", "whole number"),
    ("[{id: 1, url", "[{id: 1, weight: 0, url", "offers[0]", "all landings have the weight 0"),
    ("name: Offer", "name: Offer\n    window: 30 days", "offers[0].window", "not a duration"),
    ("name: Offer", "name: Offer\n    window: 30x", "offers[0].window", "not a duration"),
    ("name: Offer", "name: Offer\n    hold: 2d\n    hold_days: 3", "offers[0]", "not both"),
    ("name: Offer", "name: Offer\n    model: best", "offers[0].model", "none of last"),
    ("name: Offer", "name: Offer\n    on_bot_click: x", "offers[0].on_bot_click", "pass, hold"),
    ("code: abc", "code: a b", "links[0].code", "is not a code"),
    ("{id: all, terms: 5%}", "{id: all}", "commission_rules[0].terms", "is required"),
    ("terms: 5%", "terms: 5%, partner: 4", "commission_rules[0].partner", "no partner '4'"),
    ("terms: 5%", "terms: 5%, group: golf", "commission_rules[0].group", "did you mean 'gold'?"),
    ("terms: 5%", "terms: 5%, goal: sele", "commission_rules[0].goal", "did you mean 'sale'?"),
    ("terms: 5%", "terms: 5%, priority: top", "commission_rules[0].priority", "whole number"),
    ('"1.08"', '"-1.08"', "fx_rates[0].rate", "not a rate above 0"),
    ('"1.08"', '"0"', "fx_rates[0].rate", "not a rate above 0"),
    ("quote: USD", "quote: EUR", "fx_rates[0]", "both EUR"),
    ("source: test", "source: test, valid_from: soon", "fx_rates[0].valid_from", "not a time"),
    ("links:", "lnks:", "lnks", "did you mean 'links'?"),
    ("links:", "partners:", "partners", "twice"),
    ("links:", "delete: [{partner: 8}]\nlinks:", "delete[0]", "partner 8 does not exist"),
    ("links:", "delete: [{partner: 1}]\nlinks:", "delete[0]", "declared and deleted"),
    ("links:", "network: {time_zone: Mars}\nlinks:", "network.time_zone", "no time zone 'Mars'"),
]


@pytest.mark.parametrize(("old", "new", "path", "sentence"), WRONG)
def test_a_wrong_file_names_line_path_and_reason(
    old: str, new: str, path: str, sentence: str
) -> None:
    assert old in BASE
    text = BASE.replace(old, new, 1)
    wrong_line = BASE[: BASE.index(old)].count("\n") + 1 + new.count("\n")

    found = [each for each in problems_of(text) if each.path == path and sentence in each.message]

    assert found, problems_of(text)
    first = text.splitlines()[found[0].line - 1]
    if path.endswith("]") or "is required" in sentence:
        assert found[0].line <= wrong_line, "the entity's own line"
    else:
        assert any(part in first for part in new.splitlines())


def test_all_errors_are_reported_at_once_in_the_order_of_the_file() -> None:
    text = BASE.replace("advertiser: 1", "advertiser: 2").replace("10%", "x").replace("5%}", "y}")
    found = problems_of(text)
    assert [each.line for each in found] == sorted(each.line for each in found)
    assert {each.path for each in found} >= {
        "offers[0].goals[0].revenue",
        "commission_rules[0].terms",
    }


def test_ids_and_codes_are_unique() -> None:
    twice = BASE.replace("- {id: 1, name: Blog", "- {id: 1, name: B}\n  - {id: 1, name: Blog")
    assert any("declared twice, first in line 5" in each.message for each in problems_of(twice))
    code = BASE.replace("links:", "links:\n  - {id: 2, code: abc, partner: 1, offer: 1}")
    assert any("also link" in each.message for each in problems_of(code))


def test_what_is_no_yaml_is_refused_with_its_line() -> None:
    (problem,) = problems_of("partners:\n  - {id: 1\nlinks: []\n")
    assert problem.line >= 2
    assert "not YAML" in problem.message


def test_merge_keys_share_fields() -> None:
    text = (
        "partners:\n  - &one {id: 1, name: One, currency: USD}\n  - {<<: *one, id: 2, name: Two}\n"
    )
    problems = Problems()
    declaration = read_declaration(parse_document(text, problems), problems, ZONES)
    assert not list(problems)
    assert [getattr(each.entity, "currency", "") for each in declaration.entities] == ["USD"] * 2


def test_a_link_declared_twice_is_named() -> None:
    link = "  - {id: 1, code: abc, partner: 1, offer: 1}\n"
    found = problems_of(BASE.replace(link, link + link.replace("abc", "def")))
    assert [problem.message for problem in found if "declared twice" in problem.message]


def test_what_refers_to_a_wrong_entity_of_the_file_is_not_wrong_itself() -> None:
    found = problems_of(BASE.replace("{name: sale, revenue: 10%", "{name: sale, revenue: lots"))
    assert len(found) == 1 and "lots" in found[0].message
