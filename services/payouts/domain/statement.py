"""A partner's statement: where its money stood, what moved it, where it stands."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from afflux.kernel.events import LedgerEntry
from afflux.kernel.types import Millis
from services.payouts.domain import accounts

STATES = ("pending", "available", "in_payout", "paid")


class Money(Struct, frozen=True):
    """Minor units of one currency in each state; paid money has left, so it is no part of `due`."""

    pending: int = 0
    available: int = 0
    in_payout: int = 0
    paid: int = 0

    @property
    def due(self) -> int:
        """What the network still owes the partner."""
        return self.pending + self.available + self.in_payout

    def plus(self, other: Money) -> Money:
        """Return the sum, state by state."""
        return Money(*(getattr(self, state) + getattr(other, state) for state in STATES))


class Line(Struct, frozen=True):
    """One entry and how it changed each state."""

    entry: LedgerEntry
    change: Money


class Statement(Struct, frozen=True):
    """What a partner had at `since`, the entries recorded from then until before `until`, and what
    it has then."""

    partner_id: int
    currency: str
    since: Millis
    until: Millis | None
    opening: Money
    lines: list[Line]
    closing: Money


def change_of(entry: LedgerEntry, partner_id: int) -> Money:
    """Return how an entry changes a partner's states; all zero when it is none of its accounts."""
    names = (
        accounts.pending(partner_id),
        accounts.available(partner_id),
        accounts.in_payout(partner_id),
        accounts.paid(partner_id),
    )
    return Money(*(entry.amount_minor * ((entry.credit == n) - (entry.debit == n)) for n in names))


def statements(
    entries: Iterable[LedgerEntry], partner_id: int, since: Millis, until: Millis | None
) -> list[Statement]:
    """Return one statement a currency, from all entries of a partner in their order."""
    opening: dict[str, Money] = {}
    lines: dict[str, list[Line]] = {}
    for entry in entries:
        change = change_of(entry, partner_id)
        if change == Money() or (until is not None and entry.recorded_at >= until):
            continue
        before = opening.setdefault(entry.currency, Money())
        if entry.recorded_at < since:
            opening[entry.currency] = before.plus(change)
        else:
            lines.setdefault(entry.currency, []).append(Line(entry, change))
    return [
        _statement(partner_id, currency, since, until, opening[currency], lines.get(currency, []))
        for currency in sorted(opening)
    ]


def _statement(
    partner_id: int,
    currency: str,
    since: Millis,
    until: Millis | None,
    opening: Money,
    lines: list[Line],
) -> Statement:
    closing = opening
    for line in lines:
        closing = closing.plus(line.change)
    return Statement(partner_id, currency, since, until, opening, lines, closing)
