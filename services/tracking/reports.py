"""Postbacks, JSON batches, adjustments: authenticate, build, keep once, answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Container, Mapping

from msgspec import Struct

from afflux.kernel.events import Adjustment, Channel, Conversion
from afflux.kernel.types import Id16
from services.tracking.domain.adjustments import build_adjustment
from services.tracking.domain.authentication import (
    Authenticator,
    Identity,
    Request,
    read_credentials,
)
from services.tracking.domain.conversions import ReportContext, build_conversion
from services.tracking.domain.entries import Kind, wrap
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.rejections import build_rejection
from services.tracking.domain.requests import json_items, parse_params, postback_params
from services.tracking.domain.routes import Routes
from services.tracking.index import Known, Report, ReportIndex, index_key, mark_of
from services.tracking.journal import Journal

JOURNAL_FULL = Refusal("journal_full", "nothing was kept: send it again later")
Builder = Callable[[Mapping[str, object], ReportContext], Conversion | Adjustment | Refusal]


class Site(Struct, frozen=True):
    """What stays the same for all reports of one edge."""

    edge_id: str
    tenant_id: int
    click_keys: Mapping[int, bytes]
    customer_secret: bytes
    fresh_id: Callable[[], Id16]
    routes: Callable[[], Routes]
    erased: Container[bytes] = frozenset()


class Reports:
    """The report endpoints of one edge."""

    def __init__(
        self, site: Site, authenticator: Authenticator, journal: Journal, index: ReportIndex
    ) -> None:
        self._site = site
        self._authenticator = authenticator
        self._journal = journal
        self._index = index
        self._flying: dict[bytes, tuple[bytes, asyncio.Future[bool]]] = {}

    async def postback(self, request: Request) -> tuple[int, dict[str, object]]:
        """Answer GET or POST /postback: one conversion."""
        params = postback_params(request)
        if isinstance(params, Refusal):
            return await self._refuse(request, params, None)
        identity = self._identify(params, request)
        if isinstance(identity, Refusal):
            return await self._refuse(request, identity, None)
        context = self._context(identity, Channel.POSTBACK, request)
        answer = await self._one(build_conversion(params, context), request, identity, None)
        return _code(answer), answer

    async def conversions(self, request: Request) -> tuple[int, dict[str, object]]:
        """Answer POST /v1/conversions: one object, or a batch with a result per item."""
        return await self._batch(request, "conversions", build_conversion)

    async def adjustments(self, request: Request) -> tuple[int, dict[str, object]]:
        """Answer POST /v1/adjustments: one object, or a batch with a result per item."""
        return await self._batch(request, "adjustments", build_adjustment)

    async def _batch(
        self, request: Request, name: str, build: Builder
    ) -> tuple[int, dict[str, object]]:
        params = parse_params(request.query)
        if isinstance(params, Refusal):
            return await self._refuse(request, params, None)
        identity = self._identify(params, request)
        if isinstance(identity, Refusal):
            return await self._refuse(request, identity, None)
        found = json_items(request.body, name)
        if isinstance(found, Refusal):
            return await self._refuse(request, found, identity)
        items, is_single = found
        context = self._context(identity, Channel.API, request)

        async def answer(item: object) -> dict[str, object]:
            if not isinstance(item, dict):
                report: Report | Refusal = Refusal("body_invalid", "an item is a JSON object")
            else:
                report = build(item, context)
            raw = None if is_single else json.dumps(item).encode()
            return await self._one(report, request, identity, raw)

        results = await asyncio.gather(*map(answer, items))
        if is_single:
            return _code(results[0]), results[0]
        return _batch_answer(results)

    async def _one(
        self, report: Report | Refusal, request: Request, identity: Identity, raw: bytes | None
    ) -> dict[str, object]:
        if isinstance(report, Adjustment):
            report = self._own(report)
        if not isinstance(report, Refusal):
            outcome = await self._keep(report)
            if isinstance(outcome, str):
                return {
                    "status": outcome,
                    "code": 200,
                    "conversion_key": report.conversion_key.hex(),
                }
            refusal, key = outcome, report.conversion_key
        else:
            refusal, key = report, None
        await self._note(request, refusal, identity, raw, key)
        answer = refusal.as_answer()
        return answer if key is None else {**answer, "conversion_key": key.hex()}

    async def _keep(self, report: Report) -> str | Refusal:
        """Keep a report once; return `accepted` or `duplicate`, or why it is not kept (law I2)."""
        key = index_key(report)
        while (flying := self._flying.get(key)) is not None and not flying[1].done():
            body_hash, kept = flying
            if await kept and body_hash == report.body_hash:
                return "duplicate"
        known = self._index.get(key)
        if known is not None:
            return "duplicate" if known.body_hash == report.body_hash else _conflict(report, known)
        if self._journal.full:
            return JOURNAL_FULL
        kept = self._journal.keep(*wrap(report), mark_of(report))
        self._flying[key] = (report.body_hash, kept)
        try:
            return "accepted" if await kept else JOURNAL_FULL
        finally:
            if self._flying.get(key, (b"", None))[1] is kept:
                del self._flying[key]

    def _own(self, report: Adjustment) -> Adjustment | Refusal:
        """Refuse to touch another advertiser's conversion."""
        known = self._index.conversion(Id16(report.conversion_key))
        if known is None or known.advertiser_id == report.advertiser_id:
            return report
        return Refusal("field_invalid", "the conversion is not this advertiser's", "conversion_key")

    async def _refuse(
        self, request: Request, refusal: Refusal, identity: Identity | None
    ) -> tuple[int, dict[str, object]]:
        await self._note(request, refusal, identity, None, None)
        return refusal.status, refusal.as_answer()

    async def _note(
        self,
        request: Request,
        refusal: Refusal,
        identity: Identity | None,
        raw: bytes | None,
        key: bytes | None,
    ) -> None:
        """Journal a refusal, unless the room is needed for what will be answered 2xx."""
        if refusal.reason == "journal_full" or self._journal.crowded:
            return
        rejection = build_rejection(
            request,
            refusal,
            event_id=self._site.fresh_id(),
            advertiser_id=identity.advertiser.id if identity else None,
            edge_id=self._site.edge_id,
            tenant_id=self._site.tenant_id,
            item=raw,
            conversion_key=None if key is None else Id16(key),
        )
        _, payload = wrap(rejection)
        await self._journal.keep(Kind.REJECTION, payload)

    def _identify(self, params: Mapping[str, object], request: Request) -> Identity | Refusal:
        given = read_credentials(params, request)
        return self._authenticator.check(given, request, self._site.routes().advertisers)

    def _context(self, identity: Identity, channel: Channel, request: Request) -> ReportContext:
        return ReportContext(
            advertiser=identity.advertiser,
            authentication=identity.authentication,
            channel=channel,
            received_at=request.received_at,
            click_keys=self._site.click_keys,
            customer_secret=self._site.customer_secret,
            find_offer=self._site.routes().offers.get,
            edge_id=self._site.edge_id,
            tenant_id=self._site.tenant_id,
            erased=self._site.erased,
        )


def _conflict(report: Report, known: Known) -> Refusal:
    return Refusal(
        "conflicting_report",
        f"kept before with body hash {known.body_hash.hex()}, now {report.body_hash.hex()}",
    )


def _code(answer: Mapping[str, object]) -> int:
    code = answer["code"]
    assert isinstance(code, int)
    return code


def _batch_answer(results: list[dict[str, object]]) -> tuple[int, dict[str, object]]:
    """A batch is 200 whatever its items say, but 503 if some must be sent again."""
    counts = {
        name: sum(result["status"] == name for result in results)
        for name in ("accepted", "duplicate", "refused")
    }
    full = any(result["code"] == 503 for result in results)
    return 503 if full else 200, {**counts, "results": results}
