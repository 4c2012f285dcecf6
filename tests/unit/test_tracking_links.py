"""Laws of the forms of links: views, clicks by offer and partner, extras, wishes of visitors."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from afflux.kernel.catalog import Landing, Link, Network, State, Targeting
from afflux.kernel.events import ClickOutcome
from afflux.kernel.macros import MACROS, compile_params, macro_params
from afflux.kernel.reasons import REASONS
from afflux.kernel.token import verify
from afflux.kernel.types import Millis
from services.tracking.domain.costs import read_cost
from services.tracking.domain.extras import read_extras, read_pair
from services.tracking.links import answer_link, is_link
from tests.tracking_samples import CLICK_KEYS, NOW
from tests.tracking_visits import click_of, offer, path, view_of, visit

# Views.


def test_a_view_is_an_image_and_an_impression() -> None:
    answer = path(offer(1)).answer_view(visit(query="sub1=banner&creative=9&source=blog&ref_id=r"))
    assert (answer.status, answer.body[:6], len(answer.body)) == (200, b"GIF89a", 43)
    assert ("content-type", "image/gif") in answer.headers
    assert ("cache-control", "no-store") in answer.headers
    view = view_of(answer)
    assert (view.link_id, view.partner_id, view.offer_id, view.advertiser_id) == (1_001, 1, 1, 7)
    assert (view.sub, view.creative_id, view.source, view.ref_id) == (["banner"], 9, "blog", "r")
    assert (view.reason, view.country, answer.outcome) == (None, "DE", "counted")


def test_a_view_and_the_click_that_follows_are_one_visitors() -> None:
    clicks = path(offer(1))
    seen = clicks.answer_view(visit())
    assert seen.cookie is not None
    click = clicks.answer(visit(cookie=seen.cookie.partition(";")[0]))
    assert click_of(click).visitor_key == view_of(seen).visitor_key and click.cookie is None


@pytest.mark.parametrize(
    ("fields", "headers", "head", "reason"),
    [
        ({"status": State.PAUSED}, {}, False, "offer_paused"),
        ({"targeting": Targeting(not_partners=[1])}, {}, False, "partner_not_allowed"),
        ({}, {}, True, "preview"),
        ({}, {"user_agent": "Slackbot-LinkExpanding 1.0"}, False, "preview"),
        ({}, {"sec_purpose": "prefetch"}, False, "preview"),
    ],
)
def test_a_view_that_does_not_count_is_an_image_all_the_same(
    fields: dict[str, object], headers: dict[str, str], head: bool, reason: str
) -> None:
    answer = path(offer(1, **fields)).answer_view(visit(head=head, **headers))
    assert answer.status == 200 and answer.body.startswith(b"GIF89a")
    assert (view_of(answer).reason, answer.outcome) == (reason, "not_counted")
    assert reason in REASONS


def test_a_view_of_no_link_is_nothing() -> None:
    answer = path(offer(1)).answer_view(visit("nobody"))
    assert (answer.status, answer.payload, answer.body[:3]) == (404, None, b"GIF")


# Clicks by offer and partner.


def test_offer_and_partner_name_the_partners_link() -> None:
    paused = Link(id=5, code="old", partner_id=1, offer_id=1, status=State.PAUSED)
    later = Link(id=2_000, code="new", partner_id=1, offer_id=1)
    answer = path(offer(1), paused, later).answer_pair(visit(query="offer=1&partner=1&sub1=x"))
    event = click_of(answer)
    assert (event.link_id, event.sub, event.outcome) == (1_001, ["x"], ClickOutcome.REDIRECTED)


def test_a_partner_without_a_link_is_counted_without_one() -> None:
    from afflux.kernel.catalog import Partner  # noqa: PLC0415

    clicks = path(offer(1), Partner(id=2, name="Two"))
    first, second = (clicks.answer_pair(visit(query="partner=2&offer=1")) for _ in range(2))
    assert (click_of(first).link_id, click_of(first).partner_id) == (0, 2)
    assert first.location is not None and second.location is not None
    assert verify(second.location.partition("cid=")[2], CLICK_KEYS).partner_id == 2


@pytest.mark.parametrize(
    "query",
    ["", "offer=1", "partner=1", "offer=1&partner=9", "offer=9&partner=1", "offer=x&partner=1"],
)
def test_a_pair_that_is_none_is_no_click(query: str) -> None:
    answer = path(offer(1)).answer_pair(visit(query=query))
    assert (answer.status, answer.payload, answer.outcome) == (404, None, "unknown")
    sorry = path(offer(1), network=Network(fallback_url="https://network.example/"))
    assert sorry.answer_pair(visit(query=query)).location == "https://network.example/"


@pytest.mark.parametrize(
    ("query", "pair"),
    [
        ("offer=1&partner=2", (1, 2)),
        ("offer=1&partner=2&offer=3", (1, 2)),
        ("offer=-1&partner=2", None),
        ("offer=1e3&partner=2", None),
        ("offer=%31&partner=2", None),
        ("offer=²&partner=2", None),
        (f"offer={2**63}&partner=2", None),
        ("offer=0&partner=2", None),
    ],
)
def test_ids_are_plain_whole_numbers(query: str, pair: tuple[int, int] | None) -> None:
    assert read_pair(query) == pair


# Extras.


def test_of_a_repeated_parameter_the_first_counts() -> None:
    extras = read_extras("sub1=&sub1=a&sub1=b&cost=1&cost=2&creative=5&creative=6")
    assert (extras.sub, extras.values["cost"], extras.creative_id) == (["a"], "1", 5)


def test_a_click_keeps_its_cost_and_creative() -> None:
    network = Network(currency="USD")
    clicks = path(offer(1), network=network)
    event = click_of(clicks.answer(visit(query="cost=1.25&creative=44")))
    assert (event.cost_minor, event.cost_currency, event.creative_id) == (125, "USD", 44)
    event = click_of(clicks.answer(visit(query="cost=12&cost_currency=jpy")))
    assert (event.cost_minor, event.cost_currency) == (12, "JPY")


@pytest.mark.parametrize(
    "query",
    [
        "cost=",
        "cost=-1",
        "cost=1e9",
        "cost=NaN",
        "cost=1,5",
        "cost=1.2.3",
        "cost=.",
        "cost=%00",
        "cost=99999999999999999",
        "cost=1&cost_currency=XXXX",
        "cost=1&cost_currency=%ff",
        "creative=x",
    ],
)
def test_a_bad_cost_or_creative_never_costs_the_click(query: str) -> None:
    event = click_of(path(offer(1)).answer(visit(query=query)))
    assert event.outcome is ClickOutcome.REDIRECTED
    assert (event.cost_minor, event.cost_currency, event.creative_id) == (None, None, None)


def test_costs_below_a_cent_add_up_over_many_clicks() -> None:
    count = 20_000
    dice = [(number * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "big") for number in range(count)]
    paid = [read_cost("0.0125", None, "EUR", each)[0] or 0 for each in dice]
    assert set(paid) == {1, 2}
    assert abs(Decimal(sum(paid)) / count - Decimal("1.25")) < Decimal("0.01")
    assert read_cost("0.0125", None, "EUR", dice[7]) == read_cost("0.0125", None, "EUR", dice[7])


def test_a_links_own_creative_counts_unless_the_click_names_one() -> None:
    link = Link(id=9, code="art", partner_id=1, offer_id=1, creative_id=3)
    clicks = path(offer(1), link)
    assert click_of(clicks.answer(visit("art"))).creative_id == 3
    assert click_of(clicks.answer(visit("art", "creative=4"))).creative_id == 4


# Macros.


def test_every_macro_has_its_value() -> None:
    names = sorted(MACROS)
    url = "https://shop.example/?" + "&".join(f"{name}={{{name}}}" for name in names)
    clicks = path(offer(1, landings=[Landing(id=4, url=url)]))
    subs = "&".join(f"sub{number}=v{number}" for number in range(1, 11))
    answer = clicks.answer(visit(query=f"{subs}&source=s&ref_id=r"))
    assert answer.location is not None
    got = dict(pair.split("=") for pair in answer.location.partition("?")[2].split("&"))
    assert verify(got.pop("click_id"), CLICK_KEYS).link_id == 1_001
    assert len(got.pop("random")) == 16
    assert got == {
        **{f"sub{number}": f"v{number}" for number in range(1, 11)},
        "advertiser_id": "7",
        "partner_id": "1",
        "offer_id": "1",
        "link_id": "1001",
        "landing_id": "4",
        "source": "s",
        "ref_id": "r",
        "country": "DE",
        "device": "desktop",
        "timestamp": str(NOW // 1_000),
    }


def test_a_macro_nobody_knows_the_value_of_is_empty() -> None:
    url = "https://shop.example/?c={country}&d={device}&s={sub3}"
    clicks = path(offer(1, landings=[Landing(id=1, url=url)]))
    answer = clicks.answer(visit(client="192.0.2.1:1", user_agent=""))
    assert answer.location == "https://shop.example/?c=&d=&s="


def test_parameters_of_deep_links_are_checked_like_urls() -> None:
    assert (
        macro_params("https://a.example/?x=1&c={click_id}&y={sub1}-z#f")
        == "c={click_id}&y={sub1}-z"
    )
    for bad in ("c={nope}", "c", "{sub1}=x", "a=b#c", "a=b c", "a=\r\n", "=x", "a={sub1"):
        with pytest.raises(ValueError, match=r".{15}"):
            compile_params(bad)


# Rotation.


def test_a_visitor_keeps_its_landing_and_the_shares_are_the_weights() -> None:
    def landings(*weights: int) -> list[Landing]:
        return [
            Landing(id=number, url=f"https://shop.example/{number}", weight=weight)
            for number, weight in enumerate(weights, 1)
        ]

    keys = [number.to_bytes(16, "big") for number in range(0, 1 << 128, 1 << 116)]
    routes = [
        path(offer(1, landings=landings(*weights))).routes.by_code["o1"]
        for weights in ((5, 3, 2), (50, 30, 20), (5, 3, 2, 0))
    ]
    chosen = [[route.target(key).landing_id for key in keys] for route in routes]
    shares = Counter(chosen[0])
    assert all(
        abs(shares[number] - len(keys) * part / 10) <= 1
        for number, part in ((1, 5), (2, 3), (3, 2))
    )
    assert chosen[0] == chosen[1] == chosen[2]


# Wishes of visitors.


@pytest.mark.parametrize(
    ("method", "path_", "query", "status"),
    [
        ("GET", "/c/o1", "", 302),
        ("HEAD", "/c/o1", "", 302),
        ("GET", "/i/o1", "", 200),
        ("GET", "/click", "offer=1&partner=1", 302),
        ("POST", "/c/o1", "", 405),
        ("PUT", "/i/o1", "", 405),
        ("GET", "/c/o1", "a" * 8_193, 414),
        ("GET", "/c/o1", "a" * 8_192, 302),
        ("GET", "/c/", "", 404),
        ("GET", "/c/o1/", "", 404),
    ],
)
def test_every_request_has_a_clear_answer(method: str, path_: str, query: str, status: int) -> None:
    assert is_link(path_)
    answer = answer_link(path(offer(1)), method, path_, query, {}, "203.0.113.77:1", Millis(NOW))
    assert answer.status == status
    assert answer.body or answer.location


@pytest.mark.parametrize("other", ["/", "/c", "/clicks", "/click/", "/i", "/postback", "/C/o1"])
def test_other_paths_are_no_links(other: str) -> None:
    assert not is_link(other)
