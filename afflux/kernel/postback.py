"""Postbacks to partners: what can be told, and the URL templates that tell it.

A template is checked when the catalogue is applied, like a landing URL (law T4): scheme, host and
port are fixed text, values are percent-encoded, unknown macros do not exist.
"""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

from afflux.kernel.macros import SUBS, MacroError, Template, compile_template


class PostbackEvent(StrEnum):
    """What happened to a partner's part of a conversion.

    `accepted`: credited, its commission is pending. `held`: fraud control holds it. `approved`: the
    commission can be paid out. `changed`: another commission in the same state (a part was
    refunded, the order amended). `reversed`: nothing is left of it.
    """

    ACCEPTED = "accepted"
    HELD = "held"
    APPROVED = "approved"
    CHANGED = "changed"
    REVERSED = "reversed"


class PostbackMethod(StrEnum):
    """How a partner is called; POST has a JSON body with every value."""

    GET = "GET"
    POST = "POST"


POSTBACK_MACROS: frozenset[str] = frozenset(
    {
        "event",
        "event_id",
        "sequence",
        "status",
        "conversion_id",
        "timestamp",
        "goal",
        "offer_id",
        "partner_id",
        "click_id",
        "ref_id",
        "source",
        "amount",
        "currency",
        "payout",
        "payout_currency",
        "country",
        "device",
        "random",
        *SUBS,
    }
)
"""What may stand in braces in a partner's URL; docs/partner-postbacks.md says what each is."""

_LOW_PORTS = frozenset({80, 443})


def allowed_port(port: int) -> bool:
    """Return whether a postback may go to a port: 80, 443, or one that needs no privilege."""
    return port in _LOW_PORTS or 1024 <= port <= 65535


def postback_template(url: str) -> Template:
    """Check a partner's URL and return its template; raises MacroError."""
    template = compile_template(url, POSTBACK_MACROS)
    port = urlsplit(url).port
    if port is not None and not allowed_port(port):
        raise MacroError(f"port {port} is not 80, 443 or one from 1024")
    return template


def postback_url(text: str) -> str:
    """Read a partner's URL of a catalogue file; raises ValueError with a sentence."""
    try:
        return postback_template(text).url
    except MacroError as error:
        raise ValueError(f"{error} (in {text[:120]!r})") from error
