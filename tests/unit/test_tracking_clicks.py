"""Laws of clicks: where they lead, what is kept of them."""

from __future__ import annotations

from collections import Counter

import pytest

from afflux.kernel.catalog import Landing, Link, Offer
from afflux.kernel.events import Click, ClickOutcome
from afflux.kernel.macros import compile_template
from afflux.kernel.token import verify
from afflux.kernel.types import Millis
from services.tracking.click_path import Answer, ClickPath, Visit
from services.tracking.domain.agents import UNKNOWN
from services.tracking.domain.clicks import read_visitor, visitor_cookie
from services.tracking.domain.entries import decode, to_event
from services.tracking.domain.extras import read_extras
from services.tracking.domain.privacy import ip_day_key, ip_parts, split_referrer
from services.tracking.domain.routes import routes_now
from tests.tracking_samples import CLICK_KEYS, ENTITIES, NOW, SALE, SECRET, catalog

AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0 Safari/537.36"


def path(secure: bool = False) -> ClickPath:
    clicks = ClickPath(SECRET, 1, secure_cookie=secure)
    clicks.routes = routes_now(catalog(), NOW)
    return clicks


def visit(code: str = "shoes", query: str = "", *, head: bool = False, **headers: str) -> Visit:
    named = {"user-agent": AGENT} | {k.replace("_", "-"): v for k, v in headers.items()}
    return Visit(code, query, named, "203.0.113.77:5", head, NOW)


def click(answer: Answer) -> Click:
    assert answer.payload is not None
    event = to_event(decode(answer.payload), 5, "edge-t", 0, UNKNOWN)
    assert isinstance(event, Click)
    return event


def test_a_click_leads_to_the_landing_with_a_click_id_of_ours() -> None:
    answer = path().answer(visit(query="sub1=a%26b&sub3=c&source=news&ref_id=r"))
    event = click(answer)
    assert answer.location is not None
    before, _, rest = answer.location.partition("cid=")
    token, _, rest = rest.partition("&")
    assert (before, rest) == ("https://shop.example/?", "s=a%26b&p=1")
    claims = verify(token, CLICK_KEYS)
    assert claims.click_id == event.click_id == event.event_id
    assert (claims.visitor_key, claims.clicked_at) == (event.visitor_key, NOW)
    assert (claims.offer_id, claims.advertiser_id, claims.partner_id, claims.link_id) == (
        70,
        7,
        1,
        100,
    )
    assert event.sub == ["a&b", "", "c"] and (event.source, event.ref_id) == ("news", "r")
    assert event.outcome is ClickOutcome.REDIRECTED and event.journal_position == 5


def test_a_visitor_is_known_again_by_its_cookie() -> None:
    clicks = path()
    first = clicks.answer(visit())
    assert first.cookie is not None and click(first).visitor_is_new
    second = clicks.answer(visit(cookie="x=1; " + first.cookie.partition(";")[0]))
    assert second.cookie is None and not click(second).visitor_is_new
    assert click(second).visitor_key == click(first).visitor_key
    assert "Secure" not in first.cookie
    assert "; Secure" in (path(secure=True).answer(visit()).cookie or "")


@pytest.mark.parametrize(
    "cookie", ["", "afflux_v=", "afflux_v=zz", "afflux_v=" + "a" * 31, "afflux_v=" + "a" * 33]
)
def test_a_damaged_cookie_is_a_new_visitor(cookie: str) -> None:
    assert read_visitor(cookie) is None
    assert read_visitor(visitor_cookie(b"v" * 16, secure=False)) == b"v" * 16


def test_a_split_follows_the_weights_and_a_visitor_stays() -> None:
    route = routes_now(catalog(), NOW).by_code["split"]
    keys = [number.to_bytes(8, "big") * 2 for number in range(0, 1 << 64, 1 << 54)]
    chosen = Counter(route.target(key).landing_id for key in keys)
    assert chosen == {1: 768, 2: 256}
    assert all(route.target(key) is route.target(key) for key in keys)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("paused-link", "link_paused"),
        ("paused-offer", "offer_paused"),
        ("paused-partner", "partner_paused"),
    ],
)
def test_what_is_paused_leads_to_the_fallback_and_is_kept_with_its_reason(
    code: str, reason: str
) -> None:
    answer = path().answer(visit(code))
    assert answer.location == "https://network.example/sorry"
    event = click(answer)
    assert (event.outcome, event.reason, event.landing_id) == (ClickOutcome.FALLBACK, reason, None)


def test_without_a_fallback_a_paused_link_is_refused() -> None:
    clicks = path()
    clicks.routes = routes_now(catalog(ENTITIES[1:]), NOW)
    answer = clicks.answer(visit("paused-link"))
    assert answer.location is None and click(answer).outcome is ClickOutcome.REFUSED


def test_an_unknown_link_is_no_click() -> None:
    answer = path().answer(visit("nobody"))
    assert answer.payload is None and answer.location == "https://network.example/sorry"


@pytest.mark.parametrize(
    "asked",
    [
        visit(head=True),
        visit(user_agent="facebookexternalhit/1.1"),
        visit(user_agent="TelegramBot (like TwitterBot)"),
        visit(sec_purpose="prefetch;prerender"),
    ],
)
def test_a_preview_is_answered_but_is_no_visit(asked: Visit) -> None:
    answer = path().answer(asked)
    assert click(answer).outcome is ClickOutcome.PREVIEW
    assert answer.cookie is None and answer.location is not None


def test_T4_nothing_in_a_request_changes_where_it_leads() -> None:
    evil = "https%3A%2F%2Fevil.example%2F%0d%0aSet-Cookie%3Aa"
    query = "&".join(f"{name}={evil}" for name in ("sub1", "source", "url", "landing", "to"))
    answer = path().answer(visit(query=query, referer="https://evil.example/"))
    assert answer.location is not None and answer.location.startswith("https://shop.example/?cid=")
    assert "\r" not in answer.location and "\n" not in answer.location
    assert "://evil" not in answer.location


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "//evil.example/",
        "https:///nohost",
        "https://shop.example/\r\nX: y",
        "https://shop.example/a b",
        "https://{sub1}/",
        "https://shop.example{sub1}/",
        "{sub1}",
        "https://user@shop.example/",
        "https://shop.example\\@evil.example/",
        "https://shop.example/?x={nope}",
        "https://shop.example/?x={click_id",
        "https://shop.example/?x={{click_id}}",
        "https://shöp.example/",
        "https://shop.example/" + "a" * 2000,
    ],
)
def test_T4_a_bad_landing_url_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r".{15}"):
        compile_template(url)


def test_T4_a_bad_landing_url_never_becomes_a_redirect() -> None:
    offer = Offer(
        id=90,
        advertiser_id=7,
        name="Bad",
        landings=[Landing(id=1, url="javascript:alert(1)")],
        goals=[SALE],
    )
    entities = (*ENTITIES, offer, Link(id=190, code="bad", partner_id=1, offer_id=90))
    clicks = path()
    clicks.routes = routes_now(catalog(entities), NOW)
    assert clicks.answer(visit("bad")).location == "https://network.example/sorry"


def test_T5_an_address_is_cut_and_its_hash_cannot_be_joined_tomorrow() -> None:
    today, tomorrow = ip_day_key(SECRET, NOW), ip_day_key(SECRET, Millis(NOW + 86_400_000))
    assert ip_parts("203.0.113.77", today)[0] == "203.0.113.0/24"
    assert ip_parts("2001:db8:1:2::7", today)[0] == "2001:db8:1::/48"
    assert ip_parts("::ffff:203.0.113.77", today) == ip_parts("203.0.113.77", today)
    assert ip_parts("203.0.113.77", today)[1] != ip_parts("203.0.113.77", tomorrow)[1]
    assert ip_parts("garbage", today) == ("0.0.0.0/24", b"")
    event = click(path().answer(visit()))
    assert event.ip_prefix == "203.0.113.0/24" and len(event.ip_hash) == 16


def test_T5_of_a_referrer_only_host_and_path_are_kept() -> None:
    assert split_referrer("https://u:p@Blog.example/a/b?mail=x@y#z") == ("blog.example", "/a/b")
    assert split_referrer("about:blank") == (None, None)


def test_extras_are_cut_never_refused() -> None:
    extras = read_extras("sub1=" + "x" * 999 + "&sub99=no&sub10=z&%ff=1&&=&sub2")
    assert len(extras.sub) == 10 and len(extras.sub[0]) == 255 and extras.sub[9] == "z"


def test_a_change_recorded_for_later_is_not_seen_before() -> None:
    view = catalog()
    assert view.next_change(NOW) is None
    assert view.next_change(Millis(-1)) == 0
