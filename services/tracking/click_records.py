"""What the journal holds of a click or a view."""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.events import ClickOutcome
from services.tracking.domain.costs import NO_COST, Cost, read_cost
from services.tracking.domain.entries import ClickEntry, ImpressionEntry
from services.tracking.domain.extras import Extras
from services.tracking.domain.route import Route, Target
from services.tracking.visitors import Seen, Visit

KeptAgent = tuple[str, str | None]


class Way(Struct, frozen=True, gc=False):
    """Where a visit goes: the route that takes it, the target (None: a deep link, or nowhere), and
    why if not to the landing of the link."""

    route: Route
    target: Target | None
    outcome: ClickOutcome
    reason: str | None = None


def click_entry(
    visit: Visit,
    way: Way,
    seen: Seen,
    kept_agent: KeptAgent,
    extras: Extras,
    click_id: bytes,
    currency: str,
) -> ClickEntry:
    """Return the entry of a click; `currency` is the one of a cost that names none."""
    route, target = way.route, way.target
    cost, cost_currency = _cost(extras, click_id, currency)
    return ClickEntry(
        click_id,
        seen.key,
        seen.is_new,
        route.link_id,
        route.partner_id,
        route.offer_id,
        route.advertiser_id,
        extras.creative_id or route.creative_id,
        None if target is None else target.landing_id,
        visit.received_at,
        seen.ip_prefix,
        seen.ip_hash,
        seen.country,
        seen.asn,
        kept_agent[0],
        kept_agent[1],
        seen.language,
        seen.referrer_host,
        seen.referrer_path,
        extras.source,
        extras.sub,
        extras.ref_id,
        cost,
        cost_currency,
        seen.fetch_metadata,
        way.outcome,
        way.reason,
    )


def view_entry(
    visit: Visit,
    route: Route,
    seen: Seen,
    kept_agent: KeptAgent,
    extras: Extras,
    view_id: bytes,
    reason: str | None,
) -> ImpressionEntry:
    """Return the entry of a view; with a reason it does not count."""
    return ImpressionEntry(
        view_id,
        seen.key,
        seen.is_new,
        route.link_id,
        route.partner_id,
        route.offer_id,
        route.advertiser_id,
        extras.creative_id or route.creative_id,
        visit.received_at,
        seen.ip_prefix,
        seen.ip_hash,
        seen.country,
        seen.asn,
        kept_agent[0],
        kept_agent[1],
        seen.language,
        seen.referrer_host,
        seen.referrer_path,
        extras.source,
        extras.sub,
        extras.ref_id,
        seen.fetch_metadata,
        reason,
    )


def _cost(extras: Extras, click_id: bytes, currency: str) -> Cost:
    text = extras.values.get("cost")
    if text is None:
        return NO_COST
    return read_cost(text, extras.values.get("cost_currency"), currency, click_id)
