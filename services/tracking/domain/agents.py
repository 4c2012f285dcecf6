"""What a user agent says: a kind of device, and whether it is a link preview."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

_PREVIEW = re.compile(
    # social networks
    r"facebookexternalhit|facebot|facebookcatalog|meta-externalfetcher|meta-externalhit|twitterbot"
    r"|linkedinbot|pinterestbot|pinterest/0\.|redditbot|vkshare|odklbot|xing-contenttabreceiver"
    r"|xing bot|flipboardproxy|quora-bot|mastodon/|pleroma|akkoma|misskey/|summalybot|friendica"
    r"|lemmy/|bluesky|cardyb|everyonesocialbot"
    # messengers, mail and forums
    r"|slackbot|slack-imgproxy|telegrambot|whatsapp/|discordbot|skypeuripreview|viber"
    r"|microsoftpreview|bingpreview|mattermost-bot|line-poker|kakaotalk-scrap|groupmebot"
    r"|keybasebot|synapse \(bot|steamchaturllookup|dingtalkbot-linkservice|gg peekbot"
    r"|discourse forum onebox|google web preview|google-pagerenderer"
    # what calls itself a preview, and services that make them for others
    r"|link ?preview|url ?preview|unfurl|embedly|iframely|opengraph\.io|nuzzel|bitlybot"
    r"|evernoterichlinkbot|mediumbot-metatagfetcher|notion/1\.0 \(https",
    re.IGNORECASE,
)
"""Parts of published user agents. The browsers inside apps (Line/13, [Pinterest/iOS], Snapchat/12)
are people's and must not match."""
_GENERIC = ("chromium", "not", "(not", "google chrome")
_BRANDS = re.compile(r'"([^"]{1,40})";\s*v="(\d{1,4})')
_SYSTEMS = {
    "windows": "windows",
    "macos": "macos",
    "mac os x": "macos",
    "ios": "ios",
    "android": "android",
    "chrome os": "chromeos",
    "chromium os": "chromeos",
    "linux": "linux",
    "ubuntu": "linux",
    "fedora": "linux",
    "debian": "linux",
}
_FAMILIES = {"macOS": "Mac OS X", "Chromium OS": "Chrome OS"}
_CLASS_ONLY = "="


class Agent(Struct, frozen=True):
    """Device (desktop, mobile, tablet, bot, other, unknown), operating system, browser."""

    device: str
    os: str
    browser: str


UNKNOWN = Agent("unknown", "unknown", "unknown")


class Classifier(Protocol):
    """Names what stands behind a user agent."""

    def classify(self, user_agent: str, hints: str | None = None) -> Agent:
        """Return the agent of a user agent and the text of `hints_text`; `UNKNOWN` for what nobody
        knows."""
        ...


@lru_cache(maxsize=4_096)
def hints_text(mobile: str, platform: str | None, brands: str | None) -> str:
    """Return the client hints Sec-CH-UA-Mobile, -Platform and Sec-CH-UA in one short text: `?1`
    or `?0`, the platform, the brand that is not a generic one."""
    named = [name for name, _ in _BRANDS.findall((brands or "")[:300])]
    own = [name for name in named if not name.lower().startswith(_GENERIC)]
    chrome = ["Chrome"] if "Google Chrome" in named else []
    system = (platform or "").strip('"')[:20]
    flag = "?1" if mobile.strip() == "?1" else "?0"
    return f"{flag}|{system}|{(own or chrome or [''])[0]}".replace("\x00", "")


def class_only(device: str) -> str:
    """Return hints that say the kind of device and nothing else."""
    return _CLASS_ONLY + device


def refine(agent: Agent, hints: str | None) -> Agent:
    """Return an agent with what client hints know better than a reduced user agent: whether it is
    mobile, the system, the browser behind the engine. Bots stay bots."""
    if not hints or agent.device == "bot":
        return agent
    if hints.startswith(_CLASS_ONLY):
        return Agent(hints[1:], "unknown", "unknown")
    mobile, _, rest = hints.partition("|")
    platform, _, brand = rest.partition("|")
    system = _FAMILIES.get(platform, platform) if platform.lower() in _SYSTEMS else agent.os
    device = agent.device
    if mobile == "?1":
        device = "tablet" if agent.device == "tablet" else "mobile"
    elif system == "Android":
        device = "tablet"
    elif device in ("unknown", "other") and system_of(system) != "other":
        device = "desktop"
    browser = agent.browser if not brand or agent.browser.startswith(brand) else brand
    return Agent(device, system, browser)


def system_of(family: str) -> str:
    """Return the name that targeting knows an operating system by."""
    if family == "unknown":
        return family
    return _SYSTEMS.get(family.lower(), "other")


@lru_cache(maxsize=16_384)
def is_preview_agent(user_agent: str) -> bool:
    """Return whether a messenger or a social network fetches the link to show a preview."""
    return bool(user_agent) and _PREVIEW.search(user_agent) is not None


def is_prefetch(purpose: str | None) -> bool:
    """Return whether a browser fetches ahead (Purpose, Sec-Purpose), without a visitor's click."""
    return purpose is not None and ("prefetch" in purpose or "preview" in purpose)
