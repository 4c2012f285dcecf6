"""Who makes a request: opt-outs, devices, previews, places."""

from __future__ import annotations

import pytest

from afflux.kernel.token import verify
from services.tracking.domain.agents import Agent, hints_text, is_preview_agent, refine
from services.tracking.domain.geo import read_origin
from services.tracking.domain.opt_out import OptOut
from tests.tracking_samples import CLICK_KEYS
from tests.tracking_visits import AGENTS, DESKTOP, IPHONE, click_of, offer, path, view_of, visit

# Views.


@pytest.mark.parametrize(
    ("policy", "headers", "followed"),
    [
        (OptOut.OFF, {"sec_gpc": "1", "dnt": "1"}, None),
        (OptOut.GPC, {"sec_gpc": "1"}, "gpc"),
        (OptOut.GPC, {"dnt": "1"}, None),
        (OptOut.GPC_DNT, {"dnt": "1"}, "dnt"),
        (OptOut.GPC_DNT, {"sec_gpc": "1", "dnt": "1"}, "gpc"),
        (OptOut.GPC_DNT, {"sec_gpc": "0", "dnt": "0"}, None),
    ],
)
def test_T5_who_opts_out_is_nobody_we_know(
    policy: OptOut, headers: dict[str, str], followed: str | None
) -> None:
    clicks = path(offer(1), opt_out=policy)
    known = "afflux_v=" + "ab" * 16
    asked = visit(cookie=known, user_agent=IPHONE, sec_fetch_site="none", **headers)
    for answer, event in (
        (one := clicks.answer(asked), click_of(one)),
        (two := clicks.answer_view(asked), view_of(two)),
    ):
        if followed is None:
            assert event.visitor_key.hex() == "ab" * 16 and event.user_agent == IPHONE
            assert len(event.ip_hash) == 16 and event.fetch_metadata == "none,,"
            continue
        assert event.visitor_key.hex() != "ab" * 16 and event.visitor_is_new
        assert (event.user_agent, event.ip_hash, answer.cookie) == ("", b"", None)
        assert event.fetch_metadata == f"none,,;{followed}" and event.country == "DE"
    if followed is not None:
        click = click_of(one)
        assert (click.device, click.os, click.browser) == ("mobile", "unknown", "unknown")


def test_T5_an_opt_out_still_gets_a_click_id_for_this_one_click() -> None:
    clicks = path(offer(1))
    first, second = (clicks.answer(visit(sec_gpc="1")) for _ in range(2))
    assert click_of(first).visitor_key != click_of(second).visitor_key
    assert first.location is not None
    claims = verify(first.location.partition("cid=")[2], CLICK_KEYS)
    assert claims.visitor_key == click_of(first).visitor_key


# Agents.

MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/126.0 Safari/537.36"
)
BRANDS = '"Chromium";v="126", "Not/A)Brand";v="8", "{}";v="126"'


@pytest.mark.parametrize(
    ("user_agent", "mobile", "platform", "brand", "wanted"),
    [
        (DESKTOP, "?0", '"Windows"', "Google Chrome", Agent("desktop", "Windows", "Chrome")),
        (DESKTOP, "?0", '"Windows"', "Brave", Agent("desktop", "Windows", "Brave")),
        (DESKTOP, "?0", '"Android"', "Google Chrome", Agent("tablet", "Android", "Chrome")),
        (DESKTOP, "?1", '"Android"', "Google Chrome", Agent("mobile", "Android", "Chrome")),
        (MAC, "?0", '"macOS"', "Google Chrome", Agent("desktop", "Mac OS X", "Chrome")),
        ("", "?0", '"Linux"', "Opera", Agent("desktop", "Linux", "Opera")),
    ],
)
def test_hints_say_what_a_reduced_user_agent_hides(
    user_agent: str, mobile: str, platform: str, brand: str, wanted: Agent
) -> None:
    hints = hints_text(mobile, platform, BRANDS.format(brand))
    assert AGENTS.classify(user_agent, hints) == wanted


def test_a_bot_stays_a_bot_whatever_it_hints() -> None:
    bot = AGENTS.classify(
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    )
    assert bot.device == "bot" and refine(bot, "?1|Android|Chrome") == bot


@pytest.mark.parametrize(
    "user_agent",
    [
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Twitterbot/1.0",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "TelegramBot (like TwitterBot)",
        "WhatsApp/2.23.20.0 A",
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
        "Mozilla/5.0 (compatible; Pinterestbot/1.0; +http://www.pinterest.com/bot.html)",
        "facebookexternalhit/1.1;line-poker/1.0",
        "Mozilla/5.0 (compatible; Yahoo Link Preview; https://help.yahoo.com/)",
        "Mozilla/5.0 (compatible; SnapURLPreview/1.0; +https://www.snapchat.com)",
        "Snap URL Preview Service; bot; snapchat; https://developers.snap.com/robots",
        "Valve/Steam HTTP Client 1.0 (SteamChatURLLookup)",
        "OdklBot/1.0 (share@odnoklassniki.ru)",
        "Synapse (bot; +https://github.com/matrix-org/synapse)",
        "BufferLinkPreviewBot/1.0 (+https://scraper.buffer.com/about/bots/link-preview-bot)",
        "Notion/1.0 (https://notion.so; team@makenotion.com)",
        "Discourse Forum Onebox v3.3.0.beta1-dev",
        "Mozilla/5.0 (Linux; U; Android 2.3.4; generic) (KHTML, like Gecko; Google Web Preview)",
    ],
)
def test_programs_that_make_previews_are_known(user_agent: str) -> None:
    assert is_preview_agent(user_agent)


@pytest.mark.parametrize(
    "user_agent",
    [
        "",
        DESKTOP,
        IPHONE,
        f"{IPHONE} Line/13.1.0",
        f"{IPHONE} [Pinterest/iOS]",
        f"{IPHONE} Snapchat/12.50.0.33 (like Safari/8616.1.27, panda)",
        f"{IPHONE} [FBAN/FBIOS;FBAV/450.0.0.38.108]",
        f"{IPHONE} Instagram 300.0.0.0.0",
    ],
)
def test_people_in_the_browsers_of_apps_are_people(user_agent: str) -> None:
    assert not is_preview_agent(user_agent)


# What a geo database says.


@pytest.mark.parametrize(
    ("record", "origin"),
    [
        ({"country": {"iso_code": "DE"}}, ("DE", None)),
        ({"registered_country": {"iso_code": "FR"}}, ("FR", None)),
        ({"country_code": "us"}, ("US", None)),
        ({"autonomous_system_number": 3320}, (None, 3320)),
        ({"country_code": "ZZZ", "autonomous_system_number": -1}, (None, None)),
        ({"country": "SE"}, ("SE", None)),
        ({"country": {"iso_code": 7}}, (None, None)),
        (None, (None, None)),
        ([], (None, None)),
    ],
)
def test_records_of_several_makers_are_read(record: object, origin: tuple[object, object]) -> None:
    assert read_origin(record) == origin


# What is no request for a link.
