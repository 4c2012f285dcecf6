"""Targeting in a catalogue file: what it may say, and how a mistake is told."""

from __future__ import annotations

import pytest

from afflux.kernel.catalog import (
    CapPeriod,
    CapScope,
    Catalog,
    ClickCap,
    Day,
    Device,
    Hours,
    Offer,
    OfferGroup,
    System,
    Targeting,
)
from afflux.kernel.catalog.check import check
from afflux.kernel.catalog.declared import read_declaration
from afflux.kernel.catalog.fields import show_entity
from afflux.kernel.catalog.targeting_fields import country
from afflux.kernel.document import Problem, Problems
from afflux.kernel.types import Millis
from afflux.runtime.yaml_document import parse_document

NOW = Millis(1_700_000_000_000)
ZONES = {"UTC", "Europe/Vienna"}
BASE = """
advertisers:
  - {id: 1, name: Shop, hosts: [shop.example, "*.shop.example"]}
partners:
  - {id: 1, name: Blog}
  - {id: 2, name: Two}
offer_groups:
  - {id: shoes, fallback_offer: 2, fallback_url: "https://shop.example/?p={partner_id}"}
offers:
  - id: 1
    advertiser: 1
    name: Offer
    landings: [{id: 1, url: "https://shop.example/?c={click_id}"}]
    goals: [{name: sale, revenue: 10%}]
    group: shoes
    time_zone: Europe/Vienna
    deep_link_params: cid={click_id}&x=1
    targeting:
      countries: [DE, AT]
      not_devices: [bot]
      systems: [ios]
      languages: [de, pt-BR]
      partners: [1]
      not_partners: [2]
      schedule: [{days: [sat], from: "22:00", to: "02:00"}, {from: "08:00"}]
    click_caps:
      - {clicks: 5000, per: month}
      - {clicks: 20, each: partner}
    fallback_offer: 2
    fallback_url: https://shop.example/own
  - id: 2
    advertiser: 1
    name: Second
    landings: [{id: 1, url: "https://shop.example/2"}]
    goals: [{name: sale, revenue: 10%}]
links:
  - {id: 1, code: abc, partner: 1, offer: 1, creative: 9}
"""
OFFER = Offer(
    id=1,
    advertiser_id=1,
    name="Offer",
    landings=[],
    goals=[],
    group="shoes",
    time_zone="Europe/Vienna",
    deep_link_params="cid={click_id}&x=1",
    targeting=Targeting(
        countries=["DE", "AT"],
        not_devices=[Device.BOT],
        systems=[System.IOS],
        languages=["de", "pt-br"],
        partners=[1],
        not_partners=[2],
        schedule=[
            Hours(days=[Day.SATURDAY], start=22 * 60, end=2 * 60),
            Hours(start=8 * 60),
        ],
    ),
    click_caps=[
        ClickCap(clicks=5_000, per=CapPeriod.MONTH),
        ClickCap(clicks=20, each=CapScope.PARTNER),
    ],
    fallback_offer_id=2,
    fallback_url="https://shop.example/own",
)


def read(text: str) -> tuple[dict[tuple[str, str], object], list[Problem]]:
    problems = Problems()
    declaration = read_declaration(parse_document(text, problems), problems, ZONES)
    check(declaration, Catalog(), NOW, problems)
    entities = {(d.entity.kind, d.entity.entity_id): d.entity for d in declaration.entities}
    return dict(entities), list(problems)


def test_a_file_says_whom_an_offer_takes() -> None:
    entities, problems = read(BASE)
    assert problems == []
    offer = entities["offer", "1"]
    assert isinstance(offer, Offer)
    for name in ("targeting", "click_caps", "fallback_offer_id", "fallback_url", "group"):
        assert getattr(offer, name) == getattr(OFFER, name)
    assert (offer.time_zone, offer.deep_link_params) == (OFFER.time_zone, OFFER.deep_link_params)
    group = entities["offer_group", "shoes"]
    assert isinstance(group, OfferGroup) and group.fallback_offer_id == 2


def test_what_is_shown_of_an_offer_is_what_a_file_would_say() -> None:
    shown = show_entity(OFFER)
    assert shown["targeting"] == {
        "countries": ["DE", "AT"],
        "not_devices": ["bot"],
        "systems": ["ios"],
        "languages": ["de", "pt-br"],
        "partners": [1],
        "not_partners": [2],
        "schedule": [{"days": ["sat"], "from": "22:00", "to": "02:00"}, {"from": "08:00"}],
    }
    assert shown["click_caps"] == [
        {"clicks": 5_000, "per": "month"},
        {"clicks": 20, "each": "partner"},
    ]
    assert shown["fallback_offer"] == 2 and shown["group"] == "shoes"


CHAIN = "fallback_offer: 2\n    fallback"
OWN = "https://shop.example/own"
WRONG = [
    # (what stands in the base file, what stands there instead, path, part of the sentence)
    ("[DE, AT]", "[de]", "offers[0].targeting.countries[0]", "country code"),
    ("[DE, AT]", "[NO, DEU]", "offers[0].targeting.countries[1]", "country code"),
    ("not_devices: [bot]", "not_devices: [phone]", "offers[0].targeting.not_devices[0]", "mobile"),
    ("systems: [ios]", "systems: [symbian]", "offers[0].targeting.systems[0]", "android"),
    ("[de, pt-BR]", "[german language]", "offers[0].targeting.languages[0]", "language tag"),
    ("partners: [1]", "partners: [7]", "offers[0].targeting", "no partner '7'"),
    ("partners: [1]\n", "partners: [2]\n", "offers[0]", "in partners and in not_"),
    ('"22:00"', '"25:00"', "offers[0].targeting.schedule[0].from", "time such as 09:00"),
    ('"22:00"', "9:00", "offers[0].targeting.schedule[0].from", "time such as 09:00"),
    ('from: "22:00", to: "02:00"', 'from: "22:00", to: "22:00"', "offers[0]", "are empty"),
    ("days: [sat]", "days: [someday]", "offers[0].targeting.schedule[0].days[0]", "mon"),
    ("days: [sat]", "days: []", "offers[0]", "are empty"),
    ("clicks: 5000", "clicks: 0", "offers[0].click_caps[0].clicks", "whole number"),
    ("per: month", "per: week", "offers[0].click_caps[0].per", "hour, day, month, total"),
    ("clicks: 20, each: partner", "clicks: 20, per: month", "offers[0]", "two click caps"),
    (CHAIN, CHAIN.replace("2", "9"), "offers[0].fallback_offer", "no offer '9'"),
    (CHAIN, CHAIN.replace("2", "1"), "offers[0]", "its own fallback"),
    ("group: shoes", "group: shirts", "offers[0].group", "no offer group 'shirts'"),
    ("Europe/Vienna", "Europe/Wien", "offers[0].time_zone", "no time zone"),
    (OWN, "https://shop.example/{nope}", "offers[0].fallback_url", "unknown macro"),
    ("?p={partner_id}", "?p={nope}", "offer_groups[0].fallback_url", "unknown macro"),
    ("cid={click_id}&x=1", "cid={nope}", "offers[0].deep_link_params", "unknown macro"),
    ("cid={click_id}&x=1", "?cid={click_id}", "offers[0].deep_link_params", "not like name="),
    ('"*.shop.example"', '"*.example"', "advertisers[0].hosts[1]", "too many hosts"),
    ('"*.shop.example"', '"shop.*.example"', "advertisers[0].hosts[1]", "not a host name"),
    ("creative: 9", "creative: x", "links[0].creative", "not an id"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "path", "part"), WRONG)
def test_a_mistake_is_told_with_its_place(old: str, new: str, path: str, part: str) -> None:
    assert old in BASE
    _, problems = read(BASE.replace(old, new, 1))
    assert any(one.path == path and part in one.message for one in problems), problems


@pytest.mark.parametrize(("wrong", "meant"), [("UK", "'GB'"), ("de", "'DE'"), ("ZZ", "ISO 3166-1")])
def test_a_country_that_is_none_is_refused(wrong: str, meant: str) -> None:
    with pytest.raises(ValueError, match=meant):
        country(wrong)
