"""The ledger against a small reference model of its own (laws L1, L2, L3)."""

from __future__ import annotations

from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Decimal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from afflux.kernel.events import AdjustmentKind, Status, Verdict
from afflux.kernel.types import Millis
from services.payouts.domain import payout as payouts
from services.payouts.domain.digest import fold
from services.payouts.domain.payout import Payout
from tests.payouts_book import Book
from tests.payouts_samples import DAY, T0, adjustment, assessment, demo_catalog, share

TXNS, PARTNERS = ("t1", "t2", "t3"), (100, 103)
HOLD = 30 * DAY
MOVES = {
    ("decided", "owed"),
    ("owed", "reversed"),
    ("decided", "pending"),
    ("pending", "available"),
    ("pending", "reversed"),
    ("available", "reversed"),
    ("available", "pending"),
    ("available", "in_payout"),
    ("in_payout", "paid"),
    ("in_payout", "available"),
}


class Model:
    """One conversion, worked out from scratch with decimals: 8 % to the partner, 12 % owed."""

    def __init__(self) -> None:
        self.sale: tuple[int, int, Verdict, Status] | None = None
        self.said: list[tuple[AdjustmentKind, int | None]] = []
        self.money: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        self.owed = 0

    def left(self, percent: str) -> int:
        """Return what is due of the order after all that was said."""
        assert self.sale is not None
        value, returned, gone = self.sale[1], 0, self.sale[3] is Status.REJECTED
        for kind, amount in self.said:
            if kind is AdjustmentKind.AMEND:
                value = amount or 0
            elif kind in (AdjustmentKind.REFUND, AdjustmentKind.CHARGEBACK):
                gone, returned = gone or amount is None, returned + (amount or 0)
            elif kind is AdjustmentKind.REJECT:
                gone = True
            elif kind is AdjustmentKind.REINSTATE:
                gone, returned = False, 0
        if gone or self.sale[2] is Verdict.REJECT or (returned and returned >= value):
            return 0
        whole = (Decimal(value) * Decimal(percent) / 100).quantize(Decimal(1), ROUND_HALF_EVEN)
        if not returned:
            return int(whole)
        exact = whole * (value - returned) / Decimal(value)
        return int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))

    def settle(self, now: int) -> None:
        """Move pending and available to where they belong."""
        if self.sale is None:
            return
        self.owed = self.left("12")
        for partner in PARTNERS:
            money = self.money[partner]
            money[0], money[1] = (self.left("8") if partner == self.sale[0] else 0), 0
        approved = self.sale[3] is Status.APPROVED or AdjustmentKind.APPROVE in dict(self.said)
        passed = self.sale[2] is Verdict.PASS and self.left("8") > 0
        if approved and passed and now >= T0 + HOLD:
            money = self.money[self.sale[0]]
            money[0], money[1] = 0, sum(money)


class LedgerMachine(RuleBasedStateMachine):
    """Random facts, repeats and instants; the balances must be the model's after each."""

    @initialize()
    def start(self) -> None:
        self.book = Book(demo_catalog())
        self.model = {txn: Model() for txn in TXNS}
        self.versions: dict[str, int] = dict.fromkeys(TXNS, 0)
        self.payouts: list[Payout] = []
        self.moved: dict[tuple[int, str], int] = defaultdict(int)
        self.count = 0
        self.last: tuple[object, ...] = ()

    @rule(
        txn=st.sampled_from(TXNS),
        partner=st.sampled_from(PARTNERS),
        value=st.integers(0, 50_000),
        verdict=st.sampled_from(list(Verdict)),
        status=st.sampled_from(list(Status)),
    )
    def assess(self, txn: str, partner: int, value: int, verdict: Verdict, status: Status) -> None:
        version = self.versions[txn] = self.versions[txn] + 1
        shares = [share(partner)]
        event = assessment(
            txn, shares, version=version, value=value, verdict=verdict, status=status
        )
        self.book.take(event, event)
        self.model[txn].sale = (partner, value, verdict, status)
        self.model[txn].settle(self.book.now)

    @rule(
        txn=st.sampled_from(TXNS),
        kind=st.sampled_from(list(AdjustmentKind)),
        value=st.none() | st.integers(0, 60_000),
    )
    def adjust(self, txn: str, kind: AdjustmentKind, value: int | None) -> None:
        if kind is AdjustmentKind.AMEND and value is None:
            value = 0
        self.count += 1
        event = adjustment(kind, value, txn=txn, identity=f"a{self.count}")
        self.book.take(event)
        self.book.take(event)
        self.model[txn].said.append((kind, value))
        self.model[txn].settle(self.book.now)

    @rule(days=st.integers(0, 20))
    def wait(self, days: int) -> None:
        self.book.wake(self.book.now + days * DAY)
        for model in self.model.values():
            model.settle(self.book.now)

    @rule(partner=st.sampled_from(PARTNERS), part=st.integers(1, 4))
    def pay(self, partner: int, part: int) -> None:
        balance = fold(self.book.transfers).get((f"partner:{partner}:available", "EUR"), 0)
        if balance < part:
            return
        self.count += 1
        amount = balance // part
        payout, transfer = payouts.instruct(
            partner, f"run {self.count}", "EUR", amount, balance, Millis(self.book.now)
        )
        self.payouts.append(payout)
        self._move(transfer.amount, partner, "available", "in_payout")
        self.book.transfers.append(transfer)

    @precondition(lambda self: self.payouts)
    @rule(paid=st.booleans())
    def end(self, paid: bool) -> None:
        payout = self.payouts.pop()
        done = payouts.settle if paid else payouts.fail
        self.book.transfers.append(done(payout, Millis(self.book.now))[1])
        self._move(payout.amount, payout.partner_id, "in_payout", "paid" if paid else "available")

    def _move(self, amount: int, partner: int, before: str, after: str) -> None:
        self.moved[partner, before] -= amount
        self.moved[partner, after] += amount

    @invariant()
    def L1_each_transfer_is_a_double_entry_and_all_balances_sum_to_zero(self) -> None:
        assert all(t.amount > 0 and t.debit != t.credit for t in self.book.transfers)
        assert sum(fold(self.book.transfers).values()) == 0

    @invariant()
    def L2_nothing_is_changed_and_no_reversal_exceeds_its_entry(self) -> None:
        kept = tuple(self.book.transfers)
        assert kept[: len(self.last)] == self.last
        self.last = kept
        amounts = {t.entry_id: t.amount for t in kept}
        assert len(amounts) == len(kept)
        corrected: dict[bytes, int] = defaultdict(int)
        for transfer in kept:
            if transfer.corrects is not None:
                corrected[transfer.corrects] += transfer.amount
        assert all(total <= amounts[entry] for entry, total in corrected.items())
        assert all(
            t.corrects for t in kept if t.kind.endswith("_reversal") or t.state_after == "reversed"
        )

    @invariant()
    def L3_money_moves_only_along_the_states(self) -> None:
        assert {(t.state_before, t.state_after) for t in self.book.transfers} <= MOVES

    @invariant()
    def balances_are_those_of_the_model(self) -> None:
        expected: dict[str, int] = defaultdict(int)
        for (partner, state), amount in self.moved.items():
            expected[f"partner:{partner}:{state} EUR"] += amount
        for model in self.model.values():
            expected["advertiser:1:receivable EUR"] -= model.owed
            expected["network:margin EUR"] += model.owed
            for partner, (pending, available) in model.money.items():
                expected[f"partner:{partner}:pending EUR"] += pending
                expected[f"partner:{partner}:available EUR"] += available
                expected["network:margin EUR"] -= pending + available
        assert self.book.balances == {name: amount for name, amount in expected.items() if amount}


TestL1L2L3TheLedgerIsTheModel = LedgerMachine.TestCase
