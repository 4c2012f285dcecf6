"""Reports are kept once, and what is refused is kept too."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

from msgspec import Struct

from afflux.kernel.events import Adjustment
from afflux.kernel.types import Id16
from services.tracking.domain.adjustments import check_conversion
from services.tracking.domain.authentication import Identity, Request
from services.tracking.domain.entries import Kind, wrap
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.rejections import build_rejection
from services.tracking.domain.routes import Routes
from services.tracking.index import Known, Report, ReportIndex, index_key, mark_of
from services.tracking.journal import Journal
from services.tracking.journal.writer import Kept

JOURNAL_FULL = Refusal("journal_full", "nothing was kept: send it again later")


class Site(Struct, frozen=True):
    """What stays the same for all reports of one edge."""

    edge_id: str
    tenant_id: int
    click_keys: Mapping[int, bytes]
    customer_secret: bytes
    fresh_id: Callable[[], Id16]
    routes: Callable[[], Routes]
    erased: Container[bytes] = frozenset()


class Keeper:
    """The journal and the index of one edge, as reports see them."""

    def __init__(self, site: Site, journal: Journal, index: ReportIndex) -> None:
        self._site = site
        self._journal = journal
        self._index = index
        self._flying: dict[bytes, tuple[bytes, Kept]] = {}

    async def answer(
        self,
        report: Report | Refusal,
        request: Request,
        identity: Identity | None,
        raw: bytes | None = None,
    ) -> dict[str, object]:
        """Keep a report, or its refusal; return what its sender is told.

        `raw` is the report's own part of a batch.
        """
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
        """Refuse to touch another advertiser's conversion, or another goal than it has."""
        known = self._index.conversion(Id16(report.conversion_key))
        if known is None:
            return report
        return check_conversion(report, known.advertiser_id, known.goal) or report

    async def _note(
        self,
        request: Request,
        refusal: Refusal,
        identity: Identity | None,
        raw: bytes | None,
        key: bytes | None,
    ) -> None:
        """Journal a refusal, unless the room is needed for what will be answered 2xx."""
        if not refusal.is_kept or self._journal.crowded:
            return
        rejection = build_rejection(
            request,
            refusal,
            event_id=self._site.fresh_id(),
            advertiser_id=identity.advertiser.id if identity else refusal.sender,
            edge_id=self._site.edge_id,
            tenant_id=self._site.tenant_id,
            item=raw,
            conversion_key=None if key is None else Id16(key),
        )
        _, payload = wrap(rejection)
        await self._journal.keep(Kind.REJECTION, payload)


def _conflict(report: Report, known: Known) -> Refusal:
    return Refusal(
        "conflicting_report",
        f"kept before with body hash {known.body_hash.hex()}, now {report.body_hash.hex()}",
    )
