"""What a user agent says: a kind of device, and whether it is a link preview."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Protocol

from msgspec import Struct

_PREVIEW = re.compile(
    r"facebookexternalhit|facebot|twitterbot|slackbot|slack-imgproxy|telegrambot|whatsapp/"
    r"|discordbot|linkedinbot|skypeuripreview|viber|vkshare|pinterestbot|redditbot|embedly"
    r"|iframely|microsoftpreview|google-pagerenderer|mattermost-bot|mastodon/|bluesky",
    re.IGNORECASE,
)


class Agent(Struct, frozen=True):
    """Device (desktop, mobile, tablet, bot, other, unknown), operating system, browser."""

    device: str
    os: str
    browser: str


UNKNOWN = Agent("unknown", "unknown", "unknown")


class Classifier(Protocol):
    """Names what stands behind a user agent."""

    def classify(self, user_agent: str) -> Agent:
        """Return the agent; `UNKNOWN` for what nobody knows."""
        ...


@lru_cache(maxsize=16_384)
def is_preview_agent(user_agent: str) -> bool:
    """Return whether a messenger or a social network fetches the link to show a preview."""
    return _PREVIEW.search(user_agent) is not None


def is_prefetch(purpose: str | None) -> bool:
    """Return whether a browser fetches ahead (Purpose, Sec-Purpose), without a visitor's click."""
    return purpose is not None and ("prefetch" in purpose or "preview" in purpose)
