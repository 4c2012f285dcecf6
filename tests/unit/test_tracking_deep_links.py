"""Law T4 for deep links: a partner names a page of the advertiser's, and no other."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit

import msgspec
import pytest

from afflux.kernel.catalog import Advertiser, Landing, Targeting
from afflux.kernel.events import ClickOutcome
from afflux.kernel.token import verify
from services.tracking.click_path import ClickPath
from services.tracking.domain.deep_links import compile_hosts, read_destination
from tests.tracking_samples import ADVERTISER, CLICK_KEYS, NOW
from tests.tracking_visits import click_of, offer, path, visit

HOSTS = compile_hosts(["shop.example", "*.brand.example", "xn--shp-sna.example"])
SHOP: Advertiser = msgspec.structs.replace(ADVERTISER, hosts=["shop.example", "*.brand.example"])


def shop(**fields: object) -> ClickPath:
    return path(offer(1, **fields), SHOP)


def lead(clicks: ClickPath, to: str, query: str = "") -> str:
    location = clicks.answer(visit(query=f"{query}&to={quote(to, safe='')}")).location
    assert location is not None
    return location


ALLOWED = [
    ("https://shop.example", "https://shop.example"),
    ("https://shop.example/", "https://shop.example/"),
    ("HTTPS://Shop.EXAMPLE/A/b?C=d", "https://shop.example/A/b?C=d"),
    ("https://shop.example:443/x", "https://shop.example/x"),
    ("http://shop.example:80/x", "http://shop.example/x"),
    ("https://a.brand.example/x", "https://a.brand.example/x"),
    ("https://a.b.brand.example/x", "https://a.b.brand.example/x"),
    ("https://xn--shp-sna.example/", "https://xn--shp-sna.example/"),
    ("https://shop.example/grün?q=ä", "https://shop.example/gr%C3%BCn?q=%C3%A4"),
    (
        "https://shop.example/a%2Fb?u=https%3A%2F%2Fx",
        "https://shop.example/a%2Fb?u=https%3A%2F%2Fx",
    ),
    ("https://shop.example/%0d%0aX: y".replace(" ", ""), "https://shop.example/%0d%0aX:y"),
    ("https://shop.example/{x}|^`<>", "https://shop.example/%7Bx%7D%7C%5E%60%3C%3E"),
    ("https://shop.example//evil.example/", "https://shop.example//evil.example/"),
    ("https://shop.example/?a=b#top", "https://shop.example/?a=b#top"),
    ("https://shop.example?a=b", "https://shop.example?a=b"),
]
REFUSED = [
    "",
    "/path",
    "//shop.example/",
    "https:shop.example/",
    "https:/shop.example/",
    "https:///shop.example/",
    "https:\\\\shop.example\\",
    "https://evil.example\\@shop.example/",
    "https://shop.example\\.evil.example/",
    "https://shop.example@evil.example/",
    "https://user@shop.example/",
    "https://user:pass@shop.example/",
    "https://shop.example:8443/",
    "https://shop.example:80/",
    "https://shop.example:/",
    "https://shop.example:443@evil.example/",
    "https://shop.example.evil.example/",
    "https://evilshop.example/",
    "https://evil.example/shop.example",
    "https://evil.example?shop.example",
    "https://evil.example#shop.example",
    "https://brand.example/",
    "https://evilbrand.example/",
    "https://shop.example./",
    "https://shop%2eexample/",
    "https://shop.example%00.evil.example/",
    "https://shop.example%2f@evil.example",
    "https://[::1]/",
    "https://127.0.0.1/",
    "https://shöp.example/",
    "https://shop.exam\u200bple/",
    "https://shop。example/",
    "https://ſhop.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "ftp://shop.example/",
    "httpſ://shop.example/",
    " https://shop.example/",
    "https://shop.example/ x",
    "https://shop.example/\tx",
    "https://shop.example/\r\nSet-Cookie: a=b",
    "https://shop.example/\x00",
    "https://shop.example/\x7f",
    "https://shop.example/\u2028",
    "https://shop.example/" + "a" * 2_000,
]


@pytest.mark.parametrize(("to", "wanted"), ALLOWED)
def test_T4_a_page_of_an_allowed_host_is_led_to_in_plain_ascii(to: str, wanted: str) -> None:
    assert read_destination(quote(to, safe=""), HOSTS) == wanted


@pytest.mark.parametrize("to", REFUSED)
def test_T4_everything_else_is_refused(to: str) -> None:
    assert read_destination(quote(to, safe=""), HOSTS) is None


@pytest.mark.parametrize(
    "raw", ["https://shop.example/%ff", "https%3A%2F%2Fshop.example%2F%c3", "%ff%fe", "%"]
)
def test_T4_what_is_no_utf8_is_refused(raw: str) -> None:
    assert read_destination(raw, HOSTS) is None


@pytest.mark.parametrize("to", REFUSED[1:])
def test_a_refused_page_leads_to_the_landing_with_its_reason(to: str) -> None:
    answer = shop().answer(visit(query="to=" + quote(to, safe="")))
    event = click_of(answer)
    assert answer.location is not None and answer.location.startswith("https://shop.example/1?cid=")
    assert (event.outcome, event.reason) == (ClickOutcome.REDIRECTED, "deep_link_not_allowed")
    assert event.landing_id == 1


def test_an_advertiser_without_hosts_has_no_deep_links() -> None:
    location = lead(path(offer(1)), "https://shop.example/x")
    assert location.startswith("https://shop.example/1?cid=")


def test_the_click_id_goes_with_a_deep_link_as_the_landing_says() -> None:
    landings = [
        Landing(id=1, url="https://shop.example/?lang=de&cid={click_id}&p={partner_id}&s={sub1}")
    ]
    location = lead(
        shop(landings=landings), "https://shop.example/shoes?color=red#top", "sub1=a%26b"
    )
    parts = urlsplit(location)
    query = parse_qs(parts.query)
    assert (parts.path, parts.fragment) == ("/shoes", "top")
    assert (query["color"], query["p"], query["s"]) == (["red"], ["1"], ["a&b"])
    assert "lang" not in query and verify(query["cid"][0], CLICK_KEYS).offer_id == 1


def test_an_offer_says_itself_what_goes_with_its_deep_links() -> None:
    params = "subid={click_id}&t={timestamp}&r={random}&c={country}&d={device}&via=afflux"
    clicks = shop(deep_link_params=params)
    query = parse_qs(urlsplit(lead(clicks, "https://shop.example/x")).query)
    assert (query["via"], query["t"]) == (["afflux"], [str(NOW // 1_000)])
    assert (query["c"], query["d"]) == (["DE"], ["desktop"])
    assert verify(query["subid"][0], CLICK_KEYS).partner_id == 1
    again = parse_qs(urlsplit(lead(clicks, "https://shop.example/x")).query)
    assert query["r"] != again["r"]


@pytest.mark.parametrize("own", ["cid=forged", "c%69d=forged", "cid", "cid=a&x=1&cid=b"])
def test_T3_a_partner_cannot_put_another_click_id_beside_ours(own: str) -> None:
    query = parse_qs(urlsplit(lead(shop(), f"https://shop.example/x?{own}")).query)
    assert len(query["cid"]) == 1 and verify(query["cid"][0], CLICK_KEYS).link_id == 1_001


def test_of_a_deep_link_no_landing_is_kept() -> None:
    answer = shop().answer(visit(query="to=https%3A%2F%2Fshop.example%2Fx"))
    event = click_of(answer)
    assert (event.outcome, event.reason, event.landing_id) == (ClickOutcome.REDIRECTED, None, None)


def test_who_is_refused_is_led_along_the_fallbacks_not_to_the_page() -> None:
    clicks = shop(targeting=Targeting(countries=["FR"]), fallback_url="https://own.example/")
    assert lead(clicks, "https://shop.example/x") == "https://own.example/"


def test_the_first_page_counts_where_two_are_asked_for() -> None:
    query = "to=https%3A%2F%2Fshop.example%2Fone&to=https%3A%2F%2Fshop.example%2Ftwo"
    location = shop().answer(visit(query=query)).location
    assert location is not None and "/one?" in location


def test_a_deep_link_template_that_was_never_checked_leads_nowhere() -> None:
    clicks = path(offer(1, deep_link_params="a={nope}"), SHOP)
    assert lead(clicks, "https://shop.example/x").startswith("https://shop.example/1?")
