"""Clicks for tests, derived from a number."""

from __future__ import annotations

from afflux.kernel.events import Click
from afflux.kernel.ids import derive, ulid
from afflux.kernel.types import Millis

START = Millis(1_760_000_000_000)


def click(number: int, visitor: int | None = None) -> Click:
    """Return click `number`; it comes `number` ms after START, from its own visitor by default."""
    at = Millis(START + number)
    click_id = ulid(at, derive("test-click", number)[:10])
    return Click(
        event_id=click_id,
        occurred_at=at,
        recorded_at=at,
        click_id=click_id,
        visitor_key=derive("test-visitor", number if visitor is None else visitor),
        visitor_is_new=True,
        link_id=1,
        partner_id=number % 7 + 1,
        offer_id=1,
        advertiser_id=1,
        ip_prefix="192.0.2.0/24",
        ip_hash=b"h" * 8,
        user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
        edge_id="edge-test",
        journal_position=number,
    )
