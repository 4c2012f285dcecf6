"""Any request for a link: no failure, no open redirect, no header split, no click id but ours."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afflux.kernel.catalog import (
    Advertiser,
    ClickCap,
    Device,
    Hours,
    Landing,
    Network,
    OfferGroup,
    Partner,
    Targeting,
)
from afflux.kernel.events import ClickOutcome
from afflux.kernel.token import TokenError, verify
from afflux.kernel.types import Millis
from services.tracking.click_path import ClickPath
from services.tracking.domain.entries import ClickEntry, ImpressionEntry, decode
from services.tracking.domain.opt_out import OptOut
from services.tracking.links import answer_link, is_link
from tests.tracking_samples import ADVERTISER, CLICK_KEYS, NOW
from tests.tracking_visits import DESKTOP, IPHONE, offer, path

SHOP: Advertiser = msgspec.structs.replace(ADVERTISER, hosts=["shop.example", "*.brand.example"])
ALLOWED = {"shop.example", "a.brand.example", "network.example"}
URL = (
    "https://shop.example/{offer_id}?cid={click_id}&s={sub1}&t={sub10}&src={source}&r={ref_id}"
    "&c={country}&d={device}&ts={timestamp}&x={random}#{sub2}"
)
RULES = Targeting(
    countries=["DE"],
    not_devices=[Device.TABLET],
    languages=["de", "en"],
    schedule=[Hours(start=60, end=30)],
)


def clicks() -> ClickPath:
    landing = [Landing(id=1, url=URL, weight=2), Landing(id=2, url=URL, weight=1)]
    return path(
        offer(1, landings=landing),
        offer(2, landings=landing, targeting=RULES, fallback_offer_id=3, group="g"),
        offer(
            3, landings=landing, click_caps=[ClickCap(clicks=40)], deep_link_params="cid={click_id}"
        ),
        offer(4, targeting=RULES, fallback_url="https://network.example/own?c={click_id}&s={sub1}"),
        OfferGroup(id="g", fallback_url="https://network.example/group?s={source}"),
        Partner(id=2, name="Two"),
        SHOP,
        network=Network(fallback_url="https://network.example/sorry?s={sub1}"),
        opt_out=OptOut.GPC_DNT,
    )


CLICKS = clicks()
WORDS = (
    r"%0d%0a %00 %ff %c3 % %% \\ // @ : # ? & = ; .. {click_id} {sub1} https:// javascript: "
    "。 é 𝕊 + shop.example evil.example a.brand.example [::1] %2f %5c %40"
)
NASTY = [*WORDS.split(), "\r\n", "\x00", "\u2028", "\u202e", "\t", " "]
chunk = st.one_of(st.sampled_from(NASTY), st.text(max_size=8))
text = st.lists(chunk, max_size=6).map("".join)
NAMES = (
    "to sub1 sub2 sub10 source ref_id cost cost_currency creative offer partner cid url sub1[] to[]"
)
names = st.sampled_from(NAMES.split())
destinations = st.one_of(
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["http", "https", "HTTPS", "ftp", "javascript", "httpſ", ""]),
        st.sampled_from(["shop.example", "a.brand.example", "brand.example", "evil.example"])
        | st.builds("{}@{}".format, text, st.just("shop.example"))
        | st.builds("{}{}".format, st.just("shop.example"), chunk),
        st.sampled_from(["", ":443", ":80", ":8443", ":", ":x", "."]),
        st.builds("/{}".format, text) | st.builds("?{}".format, text) | st.just(""),
    ),
    text,
)
pairs = st.one_of(
    st.builds("{}={}".format, names, text),
    st.builds("to={}".format, destinations),
    st.builds("offer={}&partner={}".format, st.integers(-1, 5), st.integers(0, 3)),
)
queries = st.lists(pairs, max_size=6).map("&".join) | text
paths = st.one_of(
    st.builds(
        "/{}/{}".format, st.sampled_from("ci"), st.sampled_from(["o1", "o2", "o3", "o4", "no"])
    ),
    st.just("/click"),
    st.builds("/c/{}".format, text),
)
agents = st.sampled_from([DESKTOP, IPHONE, "", "WhatsApp/2.1", "curl/8", "x" * 5_000]) | text
headers = st.fixed_dictionaries(
    {"user-agent": agents},
    optional={
        "cookie": st.builds("afflux_v={}".format, text | st.just("ab" * 16)) | text,
        "referer": destinations,
        "accept-language": st.sampled_from(["de", "en-US,en;q=0.5", "*", "fr", ";,;"]) | text,
        "sec-ch-ua": text,
        "sec-ch-ua-mobile": st.sampled_from(["?0", "?1"]) | text,
        "sec-ch-ua-platform": st.sampled_from(['"Android"', '"Windows"']) | text,
        "sec-gpc": st.sampled_from(["1", "0"]) | text,
        "dnt": st.just("1"),
        "sec-purpose": text,
        "purpose": text,
        "sec-fetch-site": text,
        "x-forwarded-for": text,
    },
)
peers = st.sampled_from(["203.0.113.77:5", "198.51.100.9:1", "[2001:db8::1]:9", "", "x"]) | text
methods = st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "\x00"])


def check(method: str, asked: str, query: str, sent: dict[str, str], peer: str, at: int) -> None:
    answer = answer_link(CLICKS, method, asked, query, sent, peer, Millis(NOW + at))
    assert answer.status in (200, 302, 404, 405, 414)
    for name, value in answer.headers:
        assert name.isascii() and value.isascii() and value.isprintable()
    if answer.payload is not None:
        entry = decode(answer.payload)
        assert isinstance(entry, (ClickEntry, ImpressionEntry))
        assert entry.link_id >= 0 and len(entry.visitor_key) == 16
    location = answer.location
    if location is None:
        assert answer.body
        return
    parts = urlsplit(location)
    assert parts.scheme in ("http", "https") and parts.netloc.lower() in ALLOWED
    tokens = [
        value for name, value in parse_qsl(parts.query) if name in ("cid", "c") and len(value) > 9
    ]
    if answer.payload is None:
        return
    assert isinstance(entry, ClickEntry)
    for token in tokens:
        claims = verify(token, CLICK_KEYS)
        assert (claims.click_id, claims.visitor_key) == (entry.click_id, entry.visitor_key)
    if entry.outcome is ClickOutcome.REDIRECTED:
        assert len(tokens) == 1 and parts.netloc.lower() != "network.example"


arguments = given(methods, paths, queries, headers, peers, st.integers(0, 10**9))
quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@settings(max_examples=2_000, deadline=None, suppress_health_check=quiet)
@arguments
def test_S1_T3_T4_any_request_for_a_link_is_answered_safely(
    method: str, asked: str, query: str, sent: dict[str, str], peer: str, at: int
) -> None:
    assert is_link(asked)
    check(method, asked, query, sent, peer, at)


@pytest.mark.full
@pytest.mark.timeout(3_600)
@settings(max_examples=100_000, deadline=None, suppress_health_check=quiet)
@arguments
def test_S1_T3_T4_a_hundred_thousand_requests_for_links_are_answered_safely(
    method: str, asked: str, query: str, sent: dict[str, str], peer: str, at: int
) -> None:
    check(method, asked, query, sent, peer, at)


@settings(max_examples=2_000, deadline=None, suppress_health_check=quiet)
@given(st.text(max_size=160), st.integers(0, 159), st.integers(1, 63))
def test_T3_no_other_text_is_a_click_id(noise: str, place: int, shift: int) -> None:
    """Neither any text nor a genuine token with one character changed."""
    genuine = answer_link(CLICKS, "GET", "/c/o1", "", {}, "203.0.113.77:5", NOW).location
    assert genuine is not None
    token = dict(parse_qsl(urlsplit(genuine).query))["cid"]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place %= len(token)
    other = letters[(letters.index(token[place]) + shift) % 64]
    changed = token[:place] + other + token[place + 1 :]
    for forged in (noise, changed, token + "A", token[:-1]):
        with pytest.raises(TokenError):
            verify(forged, CLICK_KEYS)
    assert verify(token, CLICK_KEYS).link_id == 1_001
