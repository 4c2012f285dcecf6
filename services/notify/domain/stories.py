"""A story: what a partner's part of one conversion has come to, and what the partner was told.

Two topics tell it. An assessment says who is credited, by which click, and whether fraud control
holds it; the ledger's entries say what commission stands, and whether it can be paid. They come in
any order and again; the story is the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from afflux.kernel.events import Assessment, Channel, LedgerEntry, Result, Share, Verdict
from afflux.kernel.types import Millis

ACCRUAL, RELEASE, HOLD, REVERSAL = "commission", "release", "hold", "commission_reversal"
KINDS = frozenset({ACCRUAL, RELEASE, HOLD, REVERSAL})
"""The entries that move a partner's commission of a conversion."""


class Click(Struct, frozen=True, array_like=True):
    """What the partner knows its click by."""

    click_id: bytes | None = None
    ref_id: str | None = None
    source: str | None = None
    sub: tuple[str, ...] = ()
    country: str | None = None
    device: str | None = None


class Facts(Struct, frozen=True, array_like=True):
    """What the latest assessment says; `credited`: this partner still has a share.

    `reported_at` is when the report was recorded, None for imported history: that is not told.
    """

    version: int
    body_hash: bytes
    held: bool
    credited: bool
    goal: str
    offer_id: int
    occurred_at: Millis
    amount_minor: int | None
    currency: str | None
    click: Click
    reported_at: Millis | None = None


class Purse(Struct, frozen=True, array_like=True):
    """The commission in one currency: held back, free to be paid, and posted in all."""

    currency: str
    pending: int = 0
    available: int = 0
    posted: int = 0

    @property
    def total(self) -> int:
        """What stands."""
        return self.pending + self.available

    @property
    def whole(self) -> bool:
        """Whether no more was taken than had come: else the beginning was not seen."""
        return self.pending >= 0 and self.available >= 0


class Payout(Struct, frozen=True, array_like=True):
    """A commission as it is told."""

    minor: int
    currency: str


class Told(Struct, frozen=True, array_like=True):
    """The last event told, which state it left, the payout, and how many events there were."""

    state: str | None = None
    payout: Payout | None = None
    accepted: bool = False
    count: int = 0


class Story(Struct, frozen=True, array_like=True):
    """All that is known of a partner's part of a conversion; `entries` are the ids counted in.

    `whole`: it was read from its beginning. One that was not is never told: its sums are wrong.
    """

    conversion_key: bytes
    partner_id: int
    facts: Facts | None = None
    purses: tuple[Purse, ...] = ()
    entries: tuple[bytes, ...] = ()
    told: Told = Told()
    whole: bool = True


def assessed(story: Story, event: Assessment) -> Story:
    """Return the story after an assessment: a later version of the same report replaces."""
    known, decision = story.facts, event.decision
    if known is not None and (
        event.version <= known.version or decision.body_hash != known.body_hash
    ):
        return story
    share = share_of(event, story.partner_id)
    if share is None and known is None:
        return story
    facts = Facts(
        version=event.version,
        body_hash=decision.body_hash,
        held=event.verdict is Verdict.HOLD,
        credited=share is not None,
        goal=decision.goal,
        offer_id=share.offer_id if share else (known.offer_id if known else 0),
        occurred_at=decision.occurred_at,
        amount_minor=decision.value_minor,
        currency=decision.currency,
        click=_click(share, decision.country) if share else (known.click if known else Click()),
        reported_at=None if decision.channel is Channel.IMPORT else decision.reported_at,
    )
    return msgspec.structs.replace(story, facts=facts)


def posted(story: Story, entry: LedgerEntry) -> Story:
    """Return the story after an entry of the ledger; one that is counted in changes nothing."""
    if entry.kind not in KINDS or entry.event_id in story.entries:
        return story
    purses = {purse.currency: purse for purse in story.purses}
    purse = purses.get(entry.currency, Purse(entry.currency))
    purses[entry.currency] = moved = _moved(purse, entry)
    return msgspec.structs.replace(
        story,
        purses=tuple(purses.values()),
        entries=(*story.entries, entry.event_id),
        whole=story.whole and moved.whole,
    )


def _moved(purse: Purse, entry: LedgerEntry) -> Purse:
    pending, available, total = purse.pending, purse.available, purse.posted
    amount = entry.amount_minor
    match entry.kind:
        case "commission":
            pending, total = pending + amount, total + amount
        case "release":
            pending, available = pending - amount, available + amount
        case "hold":
            pending, available = pending + amount, available - amount
        case _ if entry.state_before == "available":
            available -= amount
        case _:
            pending -= amount
    return Purse(purse.currency, pending, available, total)


def partners_of(event: Assessment) -> list[int]:
    """Return the partners that an assessment credits, each once."""
    if event.decision.result is not Result.ATTRIBUTED:
        return []
    return list(dict.fromkeys(share.partner_id for share in event.decision.shares))


def share_of(event: Assessment, partner_id: int) -> Share | None:
    """Return the partner's share; of several that of its latest click."""
    if event.decision.result is not Result.ATTRIBUTED:
        return None
    own: Sequence[Share] = [s for s in event.decision.shares if s.partner_id == partner_id]
    return max(own, key=lambda share: share.clicked_at or 0, default=None)


def _click(share: Share, country: str | None) -> Click:
    return Click(
        share.click_id,
        share.ref_id,
        share.source,
        tuple(share.sub),
        country or share.country,
        share.device,
    )
