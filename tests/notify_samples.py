"""Assessments, entries of the ledger and stories for the tests of postbacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from afflux.kernel.catalog import Catalog, Partner, Postback
from afflux.kernel.events import Assessment, LedgerEntry, Share
from afflux.kernel.ids import derive, ulid
from afflux.kernel.postback import PostbackEvent
from afflux.kernel.types import Millis
from services.notify.domain.entitled import ever_asked
from services.notify.domain.stories import Story
from services.notify.domain.telling import Telling, tell
from services.notify.process import concerned, folded
from tests.payouts_samples import PARTNER, T0, assessment, catalog, demo_entities, key_of
from tests.payouts_samples import share as bare_share

EVERY = list(PostbackEvent)
CLICK = ulid(Millis(T0 - 1_000), b"clickclick")


def share(partner_id: int = PARTNER, numerator: int = 1, denominator: int = 1) -> Share:
    """A share by a click with everything that a partner can put into it."""
    return msgspec.structs.replace(
        bare_share(partner_id, numerator, denominator),
        click_id=CLICK,
        clicked_at=Millis(T0 - 1_000),
        ref_id="ref/1 & more",
        source="blog",
        sub=["one", "", "drei"],
        country="DE",
        device="mobile",
    )


def entry(
    number: int,
    kind: str = "commission",
    amount: int = 800,
    *,
    txn: str = "t1",
    partner: int = PARTNER,
    before: str = "decided",
    currency: str = "EUR",
) -> LedgerEntry:
    """The `number`-th entry of a conversion in the ledger."""
    return LedgerEntry(
        event_id=derive("entry", txn, partner, number),
        occurred_at=T0,
        recorded_at=T0,
        chain=0,
        sequence=number,
        previous_hash=b"",
        hash=b"",
        kind=kind,
        debit="network:margin",
        credit=f"partner:{partner}:pending",
        amount_minor=amount,
        currency=currency,
        partner_id=partner,
        advertiser_id=1,
        offer_id=10,
        goal="sale",
        conversion_key=key_of(txn),
        state_before=before,
        state_after="",
        reason="conversion_accrued",
        source_topic="fraud.assessments",
        source_partition=0,
        source_offset=0,
    )


def release(number: int, amount: int = 800, **more: Any) -> LedgerEntry:
    """Pending commission becomes available."""
    return entry(number, "release", amount, before="pending", **more)


def reversal(number: int, amount: int = 800, before: str = "pending", **more: Any) -> LedgerEntry:
    """Commission is taken back."""
    return entry(number, "commission_reversal", amount, before=before, **more)


def credited(txn: str = "t1", **more: Any) -> Assessment:
    """An assessment that credits partner 100 by a click with everything in it."""
    return assessment(txn, more.pop("shares", [share()]), **more)


class Teller:
    """Stories of all conversions, told whenever asked, as the stage does; `view`, when given, says
    who has postbacks."""

    def __init__(self, view: Catalog | None = None) -> None:
        self.view = view
        self.stories: dict[tuple[bytes, int], Story] = {}
        self.told: list[tuple[int, str, int]] = []
        self.tellings: list[tuple[Story, Telling]] = []

    def feed(self, *events: Assessment | LedgerEntry, tell_now: bool = True) -> Teller:
        """Take records, then tell."""
        for owner in concerned(events):
            if self.view is not None and not ever_asked(self.view, owner[1]):
                continue
            self.stories.setdefault(owner, Story(*owner))
        for story in folded(list(self.stories.values()), events):
            self.stories[story.conversion_key, story.partner_id] = story
        return self.tell() if tell_now else self

    def tell(self) -> Teller:
        """Tell all that is to be told."""
        for owner, story in self.stories.items():
            self.stories[owner], made = tell(story)
            for one in made:
                self.told.append((story.partner_id, one.event.value, one.payout.minor))
                self.tellings.append((self.stories[owner], one))
        return self

    def heard(self, partner: int = PARTNER) -> list[str]:
        """What a partner was told, as `event payout`."""
        return [f"{event} {minor}" for who, event, minor in self.told if who == partner]


def partner_with(
    url: str, events: Sequence[PostbackEvent] = tuple(EVERY), partner: int = PARTNER, **more: Any
) -> Partner:
    """A partner with one postback."""
    post = Postback(url=url, events=list(events), **more)
    return Partner(id=partner, name=f"p{partner}", postbacks=[post])


def catalog_with(*partners: Partner) -> Catalog:
    """The demo catalogue with these partners instead of their namesakes."""
    ids = {partner.entity_id for partner in partners}
    others = [
        entity
        for entity in demo_entities()
        if not (isinstance(entity, Partner) and entity.entity_id in ids)
    ]
    return catalog(*others, *partners)
