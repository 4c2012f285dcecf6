"""A partner's statement and the hash chain, by example."""

from __future__ import annotations

import msgspec

from afflux.kernel.events import AdjustmentKind, LedgerEntry
from afflux.kernel.types import Millis
from services.payouts.domain.chain import Broken, Head, chained, follow
from services.payouts.domain.statement import Money, statements
from tests.payouts_book import Book
from tests.payouts_samples import DAY, T0, adjustment, assessment

HOLD = T0 + 30 * DAY


def entries() -> list[LedgerEntry]:
    """A sale, its release, a quarter refunded a day later: one chain."""
    book, head, found = Book(), Head(0), list[LedgerEntry]()
    book.take(assessment())
    book.wake(HOLD)
    book.take(adjustment(AdjustmentKind.REFUND, 2_500), at=HOLD + DAY)
    for transfer in book.transfers:
        values, head = chained(head, transfer)
        named = dict(zip(LedgerEntry.__struct_fields__, values, strict=True))
        found.append(msgspec.convert(named, LedgerEntry))
    return found


def test_opening_plus_lines_is_closing() -> None:
    (whole,) = statements(entries(), 100, Millis(0), None)
    assert (whole.opening, whole.closing) == (Money(), Money(available=600))
    assert [line.change for line in whole.lines] == [
        Money(pending=800),
        Money(pending=-800, available=800),
        Money(available=-200),
    ]
    (month,) = statements(entries(), 100, Millis(HOLD), Millis(HOLD + DAY))
    assert (month.opening, month.closing) == (Money(pending=800), Money(available=800))
    assert month.closing.due == 800
    assert statements(entries(), 101, Millis(0), None) == []


def test_L5_a_chain_shows_a_gap_a_change_and_a_swap() -> None:
    chain, head = entries(), Head(0)
    for entry in chain:
        following = follow(head, entry)
        assert isinstance(following, Head)
        head = following
    first = follow(Head(0), chain[0])
    assert isinstance(first, Head)
    dearer = msgspec.structs.replace(chain[1], amount_minor=chain[1].amount_minor + 1)
    swapped = msgspec.structs.replace(chain[2], sequence=2)
    for wrong, problem in [
        (chain[2], "expected sequence 2"),
        (dearer, "its content does not give its hash"),
        (swapped, "names another previous entry"),
    ]:
        assert follow(first, wrong) == Broken(0, wrong.sequence, problem)
