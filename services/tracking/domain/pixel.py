"""Conversions from a browser: no secret, so only with a verified click, or with the visitor's own
cookie, of an advertiser that allows it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote_plus, urlencode

from msgspec import Struct
from msgspec.structs import replace

from afflux.kernel.catalog import Advertiser, State
from afflux.kernel.events import Authentication
from afflux.kernel.token import MAX_LENGTH, TokenError, verify
from afflux.kernel.types import Id16
from services.tracking.domain.authentication import Identity, Request
from services.tracking.domain.clicks import read_visitor
from services.tracking.domain.refusal import Refusal

GIF = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
"""One transparent pixel."""
COOKIE = "afflux_cid"
"""The first-party cookie in which afflux.js keeps the click id."""
_COOKIE_LIMIT = 16 << 10


class Pixel(Struct, frozen=True):
    """A report from a browser: its fields, and whose it is; `visitor_key` is that of a browser that
    names no click, and leads to the journey of its clicks and views."""

    fields: Mapping[str, object]
    identity: Identity
    visitor_key: Id16 | None = None


def read_pixel(
    params: Mapping[str, object],
    cookie: str | None,
    click_keys: Mapping[int, bytes],
    advertisers: Mapping[int, Advertiser],
    network: Identity | None = None,
) -> Pixel | Refusal:
    """Return the report of a pixel, or why it is refused.

    The click id, from the parameters or else from the cookie, says who the advertiser is. Without
    one the browser must be a visitor of ours, by its cookie, and name the `advertiser`. What the
    `network` resubmits stays a browser's word: it must belong to the same advertiser, and keeps
    only the time at which it first came in.
    """
    text = _named(params) or cookie_value(cookie)
    if not text:
        return _by_visitor(params, cookie, advertisers)
    try:
        click = verify(text, click_keys)
    except TokenError as error:
        return Refusal(error.reason, str(error), "click_id")
    named = network.advertiser.id if network else params.get("advertiser")
    if str(named or click.advertiser_id) != str(click.advertiser_id):
        return Refusal(
            "click_id_foreign", f"the click does not belong to {str(named)[:40]!r}", "click_id"
        )
    found = _allowed(advertisers.get(click.advertiser_id), str(click.advertiser_id), params)
    if isinstance(found, Refusal):
        return found
    first = network.first_received_at if network else None
    return Pixel({**params, "click_id": text}, Identity(found, Authentication.NONE, first))


def _by_visitor(
    params: Mapping[str, object], cookie: str | None, advertisers: Mapping[int, Advertiser]
) -> Pixel | Refusal:
    visitor, named = read_visitor(cookie), str(params.get("advertiser") or "").strip()
    if visitor is None or not named:
        detail = "send click_id or the cookie of afflux.js, or advertiser with the visitor's cookie"
        return Refusal("pixel_click_missing", detail, "click_id")
    known = named.isascii() and named.isdigit() and len(named) < 20
    found = _allowed(advertisers.get(int(named)) if known else None, named, params)
    if isinstance(found, Refusal):
        return found
    return Pixel(params, Identity(found, Authentication.NONE), Id16(visitor))


def _allowed(
    found: Advertiser | None, named: str, params: Mapping[str, object]
) -> Advertiser | Refusal:
    """Return the advertiser that is `named` if a browser may report for it now."""
    if found is None:
        return Refusal("advertiser_unknown", f"no advertiser has the id {named[:40]}")
    if not found.allow_pixel:
        return Refusal("pixel_not_allowed", f"advertiser {found.id} has to report from its server")
    if found.status is not State.ACTIVE:
        return Refusal("advertiser_paused", f"advertiser {found.id} is paused")
    if params.get("status") not in (None, ""):
        return Refusal("field_invalid", "a browser has no say in the status", "status")
    return found


def with_cookie(request: Request, params: Mapping[str, object]) -> Request:
    """Return a pixel's request with the click id that only its cookie names in its query.

    So a rejection of it can be sent again. A query that has `click_id` loses it: it is empty.
    """
    text = cookie_value(request.header("cookie"))
    if text is None or len(text) > MAX_LENGTH or _named(params):
        return request
    parts = [part for part in request.query.split("&") if part and not _is_click(part)]
    return replace(request, query="&".join([*parts, urlencode({"click_id": text})]))


def _named(params: Mapping[str, object]) -> str:
    return str(params.get("click_id") or "").strip()


def _is_click(part: str) -> bool:
    return unquote_plus(part.partition("=")[0]) == "click_id"


def cookie_value(header: str | None, name: str = COOKIE) -> str | None:
    """Return the value of a cookie in a Cookie header, or None."""
    for part in (header or "")[:_COOKIE_LIMIT].split(";"):
        key, _, value = part.strip().partition("=")
        if key == name and value:
            return value
    return None
