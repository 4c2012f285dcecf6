"""Reports are kept once, and what is refused is kept too."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

from msgspec import Struct

from afflux.kernel.events import Adjustment
from afflux.kernel.reasons import sentence
from afflux.kernel.types import Id16
from services.tracking.domain.adjustments import Aimed, check_conversion
from services.tracking.domain.authentication import Identity, Request
from services.tracking.domain.entries import AdjustmentEntry, ConversionEntry, Kind, encode, wrap
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.rejections import build_rejection
from services.tracking.domain.routes import Routes
from services.tracking.domain.status_changes import KINDS, status_change, word_id
from services.tracking.index import Known, Report, ReportIndex, Several, index_key, mark_of
from services.tracking.journal import Journal
from services.tracking.journal.writer import Kept

Built = ConversionEntry | Aimed | Refusal
"""What the endpoints make of a report."""
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


class Taken(Struct, frozen=True):
    """How a report was taken: `accepted` or `duplicate`, and the reason if not as what it is."""

    status: str
    reason: str | None = None

    def as_answer(self) -> dict[str, object]:
        """Return what the sender is told."""
        why = {"reason": self.reason, "sentence": sentence(self.reason)} if self.reason else {}
        return {"status": self.status, "code": 200, **why}


class Keeper:
    """The journal and the index of one edge, as reports see them."""

    def __init__(self, site: Site, journal: Journal, index: ReportIndex) -> None:
        self._site = site
        self._journal = journal
        self._index = index
        self._flying: dict[bytes, tuple[bytes, Kept]] = {}

    async def answer(
        self,
        built: Built,
        request: Request,
        identity: Identity | None,
        raw: bytes | None = None,
    ) -> dict[str, object]:
        """Keep a report, or its refusal; return what its sender is told.

        `raw` is the report's own part of a batch.
        """
        report = self._own(built) if isinstance(built, Aimed) else built
        if isinstance(report, Refusal):
            await self._note(request, report, identity, raw, None)
            return report.as_answer()
        outcome = await self._keep(report)
        key: dict[str, object] = {"conversion_key": report.event.conversion_key.hex()}
        if not isinstance(outcome, Refusal):
            return {**outcome.as_answer(), **key}
        await self._note(request, outcome, identity, raw, report.event.conversion_key)
        return {**outcome.as_answer(), **key}

    async def _keep(self, report: Report) -> Taken | Refusal:
        """Keep a report once; return how it was taken, or why it is not kept (law I2)."""
        key, body_hash = index_key(report), report.event.body_hash
        while (flying := self._flying.get(key)) is not None and not flying[1].done():
            before, kept = flying
            if await kept and before == body_hash:
                return Taken("duplicate")
        known = self._index.get(key)
        if known is not None and known.body_hash == body_hash:
            return Taken("duplicate")
        if known is not None:
            return await self._differing(report, known)
        if self._journal.full:
            return JOURNAL_FULL
        kind = Kind.CONVERSION if isinstance(report, ConversionEntry) else Kind.ADJUSTMENT
        kept = self._journal.keep(kind, encode(report), mark_of(report))
        self._flying[key] = (body_hash, kept)
        try:
            return Taken("accepted") if await kept else JOURNAL_FULL
        finally:
            if self._flying.get(key, (b"", None))[1] is kept:
                del self._flying[key]

    async def _differing(self, report: Report, known: Known) -> Taken | Refusal:
        """Judge a report whose key was kept with another body: one that differs in its status
        alone is an adjustment."""
        is_same_order = isinstance(report, ConversionEntry) and known.stem == report.stem
        if not is_same_order or known.status is None:
            return _conflict(report, known)
        assert isinstance(report, ConversionEntry)
        key = Id16(report.event.conversion_key)
        since = [word for word in KINDS if self._index.has_adjustment(word_id(key, word))]
        change = status_change(report.event, known.status, since)
        if not isinstance(change, Adjustment):
            return change or Taken("duplicate")
        taken = await self._keep(AdjustmentEntry(change))
        return taken if isinstance(taken, Refusal) else Taken(taken.status, "status_changed")

    def _own(self, aimed: Aimed) -> AdjustmentEntry | Refusal:
        """Aim an adjustment at the conversion it means; refuse to touch another advertiser's, or
        another goal than it has."""
        key = Id16(aimed.event.conversion_key)
        known = self._index.conversion(key)
        if known is None and aimed.click_id is not None:
            only = self._index.only_conversion(aimed.click_id, aimed.event.goal)
            if only is Several.KNOWN:
                detail = "the click has several conversions of this goal: name one by its txn_id"
                return Refusal("conversion_ambiguous", detail, "click_id")
            return AdjustmentEntry((aimed if only is None else aimed.at(only)).event)
        if known is None:
            return AdjustmentEntry(aimed.event)
        refusal = check_conversion(aimed.event, known.advertiser_id, known.goal)
        return refusal or AdjustmentEntry(aimed.event)

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
    now = report.event.body_hash
    return Refusal(
        "conflicting_report", f"kept before with body hash {known.body_hash.hex()}, now {now.hex()}"
    )
