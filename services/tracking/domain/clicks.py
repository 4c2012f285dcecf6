"""The visitor's cookie, and clicks that come from elsewhere."""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.events import Click, ClickOutcome
from afflux.kernel.macros import SUBS
from afflux.kernel.types import Id16, Millis
from services.tracking.domain.extras import TEXT_LIMIT
from services.tracking.domain.refusal import Refusal

AGENT_LIMIT = 512
COOKIE = "afflux_v"
_MARK = COOKIE + "="


def read_visitor(cookie: str | None) -> bytes | None:
    """Return the visitor key in a Cookie header, or None."""
    if cookie is None:
        return None
    start = cookie.find(_MARK)
    if start < 0:
        return None
    start += len(_MARK)
    end = start + 32
    if cookie[end : end + 1] not in ("", ";"):
        return None
    try:
        key = bytes.fromhex(cookie[start:end])
    except ValueError:
        return None
    return key if len(key) == 16 else None


def visitor_cookie(key: bytes, *, secure: bool) -> str:
    """Return the Set-Cookie value: 400 days, unreadable for scripts.

    With `secure` (HTTPS) it is SameSite=None, so that a view on a partner's page and the click that
    follows are one visitor's where the browser allows that; else SameSite=Lax.
    """
    flag = "None; Secure" if secure else "Lax"
    return f"{_MARK}{key.hex()}; Path=/; Max-Age=34560000; HttpOnly; SameSite={flag}"


class ImportedClick(Struct, frozen=True, kw_only=True):
    """A click from elsewhere; ids are derived from its row, so that a repeat changes nothing."""

    click_id: Id16
    visitor_key: Id16
    link_id: int
    partner_id: int
    offer_id: int
    advertiser_id: int
    clicked_at: Millis
    recorded_at: Millis
    visitor_is_new: bool = False
    user_agent: str = ""
    ip_prefix: str = "0.0.0.0/24"
    country: str | None = None
    source: str | None = None
    sub: tuple[str, ...] = ()
    ref_id: str | None = None


def build_click(row: ImportedClick, *, edge_id: str, tenant_id: int = 0) -> Click | Refusal:
    """Return the event of an imported click, or why there is none."""
    if not 0 < row.clicked_at <= row.recorded_at + 86_400_000:
        return Refusal("field_invalid", f"{row.clicked_at} is no plausible time", "clicked_at")
    if len(row.sub) > len(SUBS):
        return Refusal("field_invalid", f"{len(row.sub)} subs, at most {len(SUBS)}", "sub")
    if len(row.click_id) != 16 or len(row.visitor_key) != 16:
        return Refusal("field_invalid", "ids have 16 bytes", "click_id")
    return Click(
        event_id=row.click_id,
        occurred_at=row.clicked_at,
        recorded_at=row.recorded_at,
        tenant_id=tenant_id,
        click_id=row.click_id,
        visitor_key=row.visitor_key,
        visitor_is_new=row.visitor_is_new,
        link_id=row.link_id,
        partner_id=row.partner_id,
        offer_id=row.offer_id,
        advertiser_id=row.advertiser_id,
        ip_prefix=row.ip_prefix,
        ip_hash=b"",
        country=row.country,
        user_agent=row.user_agent[:AGENT_LIMIT],
        source=row.source and row.source[:TEXT_LIMIT],
        sub=[text[:TEXT_LIMIT] for text in row.sub],
        ref_id=row.ref_id and row.ref_id[:TEXT_LIMIT],
        outcome=ClickOutcome.REDIRECTED,
        edge_id=edge_id,
        journal_position=0,
    )
