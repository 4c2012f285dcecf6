"""A refused report, kept as it was sent so that it can be fixed and sent again."""

from __future__ import annotations

from afflux.kernel.events import Rejection
from afflux.kernel.types import Id16
from services.tracking.domain.authentication import Request
from services.tracking.domain.redaction import (
    is_binary,
    names_secret,
    redact_body,
    redact_query,
)
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.requests import FORM, JSON, JSON_PATHS, media_type

MAX_BODY = 64 << 10
MAX_STRANGER_BODY = 2 << 10
MAX_QUERY = 8 << 10


def build_rejection(
    request: Request,
    refusal: Refusal,
    *,
    event_id: Id16,
    advertiser_id: int | None,
    edge_id: str,
    tenant_id: int = 0,
    item: bytes | None = None,
    conversion_key: Id16 | None = None,
) -> Rejection:
    """Return the rejection of a request, or of one `item` (JSON) of its batch.

    Bodies are cut: strangers get less of our disk. Tokens and signatures are hidden, and a body in
    which they could not be seen is not kept (law S4). Of a report that names an erased visitor
    nothing is kept but that there was one (law T5).
    """
    is_erased = refusal.reason == "visitor_erased"
    limit = MAX_STRANGER_BODY if advertiser_id is None else MAX_BODY
    body = b"" if is_erased else _kept_body(request, item, limit)
    return Rejection(
        event_id=event_id,
        occurred_at=request.received_at,
        recorded_at=request.received_at,
        tenant_id=tenant_id,
        advertiser_id=advertiser_id,
        method=request.method,
        path=request.path[:255],
        query="" if is_erased else redact_query(request.query)[:MAX_QUERY],
        body=body,
        content_type=request.content_type and request.content_type[:255],
        status=refusal.status,
        reason=refusal.reason,
        field=refusal.field,
        detail=refusal.detail[:1_000],
        conversion_key=conversion_key,
        edge_id=edge_id,
        journal_position=0,
    )


def _kept_body(request: Request, item: bytes | None, limit: int) -> bytes:
    """Return what is kept of a body: without its secrets, at most `limit` bytes.

    One that was cut has all of `limit`, however much was hidden in it: so it is known to be cut.
    """
    body = request.body if item is None else item
    media = media_type(request)
    is_json = item is not None or request.path.startswith(JSON_PATHS) or media == JSON
    if is_binary(body) or not (is_json or media == FORM or not names_secret(body)):
        return b""
    kept = redact_body(body[:limit], is_json=is_json)[:limit]
    return kept if len(body) <= limit else kept.ljust(limit)
