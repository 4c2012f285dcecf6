"""What the journal holds of a click or a view, out of blocks that are kept (see `blocks`)."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from afflux.kernel.events import ClickOutcome
from services.tracking.domain.blocks import CLICK_TAG, NOTHING_SAID, VIEW_TAG, block
from services.tracking.domain.costs import NO_COST, read_cost
from services.tracking.domain.extras import NO_EXTRAS, Extras
from services.tracking.domain.route import Route, Target
from services.tracking.visitors import Seen, Visit

_REDIRECTED = ClickOutcome.REDIRECTED


class Way(Struct, frozen=True, gc=False):
    """Where a visit goes: the route that takes it, the target (None: a deep link, or nowhere), and
    why if not to the landing of the link."""

    route: Route
    target: Target | None
    outcome: ClickOutcome
    reason: str | None = None


def click_record(
    visit: Visit,
    way: Way,
    seen: Seen,
    agent: bytes,
    extras: Extras,
    click_id: bytes,
    currency: str,
) -> bytes:
    """Return the record of a click; `agent` is the block to keep, `currency` the one of a cost
    that names none."""
    if "cost" in extras.values or way.reason is not None or way.outcome is not _REDIRECTED:
        cost = _cost(extras, click_id, currency)
        end = block((*cost, seen.fetch_metadata, way.outcome, way.reason))
    else:
        end = _redirected(seen.fetch_metadata)
    link = _link(way.route, way.target, extras)
    return _record(CLICK_TAG, visit, seen, agent, extras, click_id, link, end)


def view_record(
    visit: Visit,
    route: Route,
    seen: Seen,
    agent: bytes,
    extras: Extras,
    view_id: bytes,
    reason: str | None,
) -> bytes:
    """Return the record of a view; with a reason it does not count."""
    end, link = block((seen.fetch_metadata, reason)), _link(route, None, extras)
    return _record(VIEW_TAG, visit, seen, agent, extras, view_id, link, end)


def _record(
    tag: int,
    visit: Visit,
    seen: Seen,
    agent: bytes,
    extras: Extras,
    own_id: bytes,
    link: bytes,
    end: bytes,
) -> bytes:
    return block(
        (
            tag,
            own_id,
            seen.key,
            seen.is_new,
            link,
            visit.received_at,
            seen.ip_prefix,
            seen.ip_hash,
            seen.where,
            agent,
            seen.page,
            NOTHING_SAID if extras is NO_EXTRAS else block((extras.source, extras.sub)),
            extras.ref_id,
            end,
        )
    )


def _link(route: Route, target: Target | None, extras: Extras) -> bytes:
    """Return the block of a link, made with the routes unless the click names its creative."""
    if "creative" in extras.values and (creative := extras.creative_id):
        return route.link_block(None if target is None else target.landing_id, creative)
    return route.block if target is None or target.block is None else target.block


@lru_cache(maxsize=4_096)
def _redirected(fetch_metadata: str | None) -> bytes:
    return block((*NO_COST, fetch_metadata, _REDIRECTED, None))


def _cost(extras: Extras, click_id: bytes, currency: str) -> tuple[int | None, str | None]:
    text = extras.values.get("cost")
    if text is None:
        return NO_COST
    return read_cost(text, extras.values.get("cost_currency"), currency, click_id)
