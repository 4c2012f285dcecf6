"""A refused report, kept as it was sent so that it can be fixed and sent again."""

from __future__ import annotations

from afflux.kernel.events import Rejection
from afflux.kernel.types import Id16
from services.tracking.domain.authentication import Request
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.signature import redact

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

    Bodies are cut: strangers get less of our disk. Tokens and signatures are hidden (law S4). Of a
    report that names an erased visitor nothing is kept but that there was one (law T5).
    """
    is_erased = refusal.reason == "visitor_erased"
    body = b"" if is_erased else request.body if item is None else item
    if b"token" in body or b"sig" in body:
        body = redact(body.decode("latin-1")).encode("latin-1")  # every byte comes back
    limit = MAX_STRANGER_BODY if advertiser_id is None else MAX_BODY
    return Rejection(
        event_id=event_id,
        occurred_at=request.received_at,
        recorded_at=request.received_at,
        tenant_id=tenant_id,
        advertiser_id=advertiser_id,
        method=request.method,
        path=request.path[:255],
        query="" if is_erased else redact(request.query)[:MAX_QUERY],
        body=body[:limit],
        content_type=request.content_type and request.content_type[:255],
        status=refusal.status,
        reason=refusal.reason,
        field=refusal.field,
        detail=refusal.detail[:1_000],
        conversion_key=conversion_key,
        edge_id=edge_id,
        journal_position=0,
    )
