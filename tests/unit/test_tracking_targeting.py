"""Laws of targeting: who is refused, why, and where the refused are led."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from afflux.kernel.catalog import (
    CapPeriod,
    CapScope,
    ClickCap,
    Day,
    Device,
    Hours,
    Network,
    OfferGroup,
    Partner,
    State,
    System,
    Targeting,
)
from afflux.kernel.events import ClickOutcome
from afflux.kernel.reasons import REASONS
from afflux.kernel.token import verify
from afflux.kernel.types import Millis
from services.tracking.domain.caps import ClickCounts, period_start
from services.tracking.domain.targeting import compile_schedule
from services.tracking.time_zones import zones_at
from tests.tracking_samples import CLICK_KEYS, NOW
from tests.tracking_visits import (
    FRENCH,
    IPHONE,
    NOWHERE_KNOWN,
    click_of,
    offer,
    path,
    visit,
)


def millis(text: str) -> Millis:
    return Millis(round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1_000))


REFUSALS = [
    (Targeting(countries=["FR"]), "country_not_allowed"),
    (Targeting(not_countries=["DE"]), "country_not_allowed"),
    (Targeting(devices=[Device.MOBILE]), "device_not_allowed"),
    (Targeting(not_devices=[Device.DESKTOP]), "device_not_allowed"),
    (Targeting(systems=[System.IOS]), "os_not_allowed"),
    (Targeting(not_systems=[System.WINDOWS]), "os_not_allowed"),
    (Targeting(languages=["fr"]), "language_not_allowed"),
    (Targeting(not_languages=["de"]), "language_not_allowed"),
    (Targeting(partners=[2]), "partner_not_allowed"),
    (Targeting(not_partners=[1]), "partner_not_allowed"),
    (Targeting(schedule=[Hours(start=0, end=1)]), "outside_schedule"),
]
TAKEN = [
    Targeting(),
    Targeting(countries=["FR", "DE"], not_countries=["US"]),
    Targeting(devices=[Device.DESKTOP], systems=[System.WINDOWS], not_systems=[System.IOS]),
    Targeting(languages=["de"]),
    Targeting(languages=["de-at"]),
    Targeting(partners=[1]),
    Targeting(schedule=[Hours()]),
]


@pytest.mark.parametrize(("targeting", "reason"), REFUSALS)
def test_each_refusal_has_its_reason_and_is_kept(targeting: Targeting, reason: str) -> None:
    clicks = path(offer(1, targeting=targeting), Partner(id=2, name="Two"))
    answer = clicks.answer(visit(accept_language="de-AT,de;q=0.9,fr;q=0.5"))
    event = click_of(answer)
    assert (answer.status, answer.location) == (404, None)
    assert (event.outcome, event.reason) == (ClickOutcome.REFUSED, reason)
    assert event.landing_id is None and event.offer_id == 1 and reason in REASONS


@pytest.mark.parametrize("targeting", TAKEN)
def test_who_is_asked_for_is_led_to_the_landing(targeting: Targeting) -> None:
    answer = path(offer(1, targeting=targeting)).answer(visit(accept_language="de-AT,fr;q=0.5"))
    event = click_of(answer)
    assert answer.location is not None and answer.location.startswith("https://shop.example/1?")
    assert (event.outcome, event.reason) == (ClickOutcome.REDIRECTED, None)
    assert (event.country, event.asn) == ("DE", 3320)


def test_a_country_nobody_knows_is_none_of_those_asked_for_and_not_excluded() -> None:
    unknown = visit(client=NOWHERE_KNOWN)
    asked = path(offer(1, targeting=Targeting(countries=["DE"]))).answer(unknown)
    excluded = path(offer(1, targeting=Targeting(not_countries=["DE"]))).answer(unknown)
    assert click_of(asked).reason == "country_unknown"
    assert click_of(excluded).reason is None


def test_what_is_paused_refuses_before_any_rule() -> None:
    paused = offer(1, status=State.PAUSED, targeting=Targeting(countries=["FR"]))
    assert click_of(path(paused).answer(visit())).reason == "offer_paused"


def test_a_preview_sees_the_landing_whatever_the_rules_say() -> None:
    caps = [ClickCap(clicks=1)]
    clicks = path(offer(1, targeting=Targeting(countries=["FR"]), click_caps=caps))
    for asked in (visit(head=True), visit(user_agent="WhatsApp/2.23.20.0")) * 2:
        answer = clicks.answer(asked)
        assert click_of(answer).outcome is ClickOutcome.PREVIEW and answer.status == 302
        assert answer.cookie is None and answer.mark is None
    assert click_of(clicks.answer(visit(client=FRENCH))).outcome is ClickOutcome.REDIRECTED


# The chain: offer, group, network, plain 404.


def test_the_chain_is_offer_then_group_then_network_then_404() -> None:
    only_french = Targeting(countries=["FR"])
    group = OfferGroup(id="g", fallback_url="https://network.example/group?p={partner_id}")
    network = Network(fallback_url="https://network.example/sorry?o={offer_id}&x={sub1}")
    plain = offer(1, targeting=only_french)
    with_group = offer(1, targeting=only_french, group="g")
    with_own = offer(
        1, targeting=only_french, group="g", fallback_url="https://own.example/?c={click_id}"
    )
    assert path(plain).answer(visit()).status == 404
    asked = visit(query="sub1=a%0d%0ab")
    locations = [
        path(chosen, group, network=network).answer(asked).location or ""
        for chosen in (plain, with_group, with_own)
    ]
    assert locations[0] == "https://network.example/sorry?o=1&x=a%0D%0Ab"
    assert locations[1] == "https://network.example/group?p=1"
    assert locations[2].startswith("https://own.example/?c=")
    assert verify(locations[2].partition("c=")[2], CLICK_KEYS).offer_id == 1


def test_a_fallback_offer_takes_the_click_as_its_own() -> None:
    refused = offer(1, targeting=Targeting(countries=["FR"]), fallback_offer_id=2)
    answer = path(refused, offer(2)).answer(visit())
    event = click_of(answer)
    assert answer.location is not None and answer.location.startswith("https://shop.example/2?cid=")
    assert (event.offer_id, event.link_id, event.landing_id) == (2, 1_001, 1)
    assert (event.outcome, event.reason) == (ClickOutcome.FALLBACK, "country_not_allowed")
    claims = verify(answer.location.partition("cid=")[2], CLICK_KEYS)
    assert (claims.offer_id, claims.link_id, claims.click_id) == (2, 1_001, event.click_id)


def test_a_fallback_offer_that_refuses_too_is_passed_over() -> None:
    only_french = Targeting(countries=["FR"])
    first = offer(1, targeting=only_french, fallback_offer_id=2, group="g")
    second = offer(2, targeting=only_french, fallback_offer_id=4)
    group = OfferGroup(id="g", fallback_offer_id=3)
    clicks = path(first, second, offer(3), offer(4), group)
    event = click_of(clicks.answer(visit()))
    assert (event.offer_id, event.reason) == (3, "country_not_allowed")


def test_offers_that_fall_back_to_each_other_end_at_404() -> None:
    only_french = Targeting(countries=["FR"])
    one = offer(1, targeting=only_french, fallback_offer_id=2, group="g")
    two = offer(2, targeting=only_french, fallback_offer_id=1, group="g")
    clicks = path(one, two, OfferGroup(id="g", fallback_offer_id=1))
    assert clicks.answer(visit("o1")).status == clicks.answer(visit("o2")).status == 404


# The schedule, on the clocks of the offer's time zone.


def hours(*pieces: Hours) -> list[Hours]:
    return list(pieces)


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("2026-03-27T08:59:59+01:00", False),  # Friday
        ("2026-03-27T09:00:00+01:00", True),
        ("2026-03-27T17:59:59+01:00", True),
        ("2026-03-27T18:00:00+01:00", False),
        ("2026-03-28T12:00:00+01:00", False),  # Saturday
        ("2026-03-30T09:00:00+02:00", True),  # Monday, in summer time by now
        ("2026-03-30T07:30:00+01:00", False),  # 08:30 on the clocks
    ],
)
def test_a_schedule_follows_the_clocks_over_a_change_of_time(at: str, is_open: bool) -> None:
    week = [Day.MONDAY, Day.TUESDAY, Day.WEDNESDAY, Day.THURSDAY, Day.FRIDAY]
    open_hours = Targeting(schedule=hours(Hours(days=week, start=9 * 60, end=18 * 60)))
    chosen = offer(1, targeting=open_hours, time_zone="Europe/Berlin")
    instant = millis(at)
    reason = click_of(path(chosen, at=instant).answer(visit(at=instant))).reason
    assert reason == (None if is_open else "outside_schedule")


def test_hours_over_midnight_and_over_the_weeks_end_belong_to_the_day_they_begin() -> None:
    night = compile_schedule(
        [Hours(days=[Day.SUNDAY], start=22 * 60, end=6 * 60)], zones_at(NOW)("UTC")
    )
    assert night is not None
    assert night.is_open(millis("2026-03-29T23:00:00+00:00"))  # Sunday night
    assert night.is_open(millis("2026-03-30T05:59:00+00:00"))  # Monday morning
    assert not night.is_open(millis("2026-03-29T05:00:00+00:00"))  # Sunday morning
    assert not night.is_open(millis("2026-03-30T06:00:00+00:00"))


def test_without_a_zone_of_its_own_an_offer_has_the_networks() -> None:
    morning = Targeting(schedule=hours(Hours(start=9 * 60, end=10 * 60)))
    instant = millis("2026-07-01T09:30:00+09:00")
    clicks = path(offer(1, targeting=morning), network=Network(time_zone="Asia/Tokyo"), at=instant)
    assert click_of(clicks.answer(visit(at=instant))).reason is None


# Click caps.


def test_a_cap_lets_through_as_many_clicks_as_it_says() -> None:
    clicks = path(offer(1, click_caps=[ClickCap(clicks=3)]))
    reasons = [click_of(clicks.answer(visit())).reason for _ in range(5)]
    assert reasons == [None, None, None, "click_cap_reached", "click_cap_reached"]


def test_a_cap_for_each_partner_counts_partners_apart() -> None:
    caps = [ClickCap(clicks=1, each=CapScope.PARTNER), ClickCap(clicks=3, per=CapPeriod.TOTAL)]
    clicks = path(offer(1, click_caps=caps), Partner(id=2, name="Two"), Partner(id=3, name="Three"))
    asked = [visit(query=f"offer=1&partner={number}") for number in (1, 1, 2, 2, 3, 3)]
    reasons = [click_of(clicks.answer_pair(each)).reason for each in asked]
    assert reasons == [None, "click_cap_reached"] * 3


def test_a_fallback_offers_cap_counts_what_falls_to_it() -> None:
    closed = offer(1, targeting=Targeting(countries=["FR"]), fallback_offer_id=2)
    clicks = path(closed, offer(2, click_caps=[ClickCap(clicks=2)]))
    assert [clicks.answer(visit()).status for _ in range(4)] == [302, 302, 404, 404]


def test_counts_come_back_from_their_marks() -> None:
    capped = offer(1, click_caps=[ClickCap(clicks=4), ClickCap(clicks=9, each=CapScope.PARTNER)])
    before = path(capped)
    marks = [before.answer(visit()).mark for _ in range(3)]
    after = path(capped)
    after.counts.restore([mark for mark in marks if mark is not None][::-1])
    assert [after.answer(visit()).status for _ in range(2)] == [302, 404]


@pytest.mark.parametrize(
    ("per", "inside", "outside"),
    [
        (CapPeriod.HOUR, "2026-10-25T02:59:59+02:00", "2026-10-25T02:00:00+01:00"),
        (CapPeriod.DAY, "2026-10-25T23:59:59+01:00", "2026-10-26T00:00:00+01:00"),
        (CapPeriod.MONTH, "2026-10-31T23:59:59+01:00", "2026-11-01T00:00:00+01:00"),
    ],
)
def test_a_period_ends_by_the_clocks_of_the_zone(per: CapPeriod, inside: str, outside: str) -> None:
    at = millis("2026-10-25T02:30:00+02:00")
    zone = zones_at(at)("Europe/Berlin")
    assert period_start(per, zone, at) == period_start(per, zone, millis(inside))
    assert period_start(per, zone, at) < period_start(per, zone, millis(outside))


def test_a_clock_that_steps_back_does_not_open_a_cap_again() -> None:
    clicks = path(offer(1, click_caps=[ClickCap(clicks=1, per=CapPeriod.HOUR)]))
    assert clicks.answer(visit()).status == 302
    assert clicks.answer(visit(at=Millis(NOW - 3_600_000))).status == 404
    assert clicks.answer(visit(at=Millis(NOW + 3_600_000))).status == 302


def test_a_clock_that_was_years_ahead_does_not_close_a_cap_for_years() -> None:
    clicks = path(offer(1, click_caps=[ClickCap(clicks=1)]))
    assert clicks.answer(visit(at=Millis(NOW + 10**12))).status == 302
    assert clicks.answer(visit()).status == 302


def test_counts_of_a_new_edge_are_empty() -> None:
    capped = offer(1, click_caps=[ClickCap(clicks=1)])
    route = path(capped).routes.by_code["o1"]
    assert route.caps is not None and not ClickCounts().reached(route.caps, NOW)


def test_a_route_without_targeting_carries_none() -> None:
    route = path(offer(1)).routes.by_code["o1"]
    assert (route.rules, route.caps, route.fallbacks) == (None, None, ())


def test_devices_of_an_iphone() -> None:
    mobile = path(offer(1, targeting=Targeting(devices=[Device.MOBILE], systems=[System.IOS])))
    assert mobile.answer(visit(user_agent=IPHONE)).status == 302
    assert mobile.answer(visit()).status == 404
