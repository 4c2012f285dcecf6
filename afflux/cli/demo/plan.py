"""What the demo's visitors and advertisers will do: a pure function of the seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from msgspec import Struct

from afflux.cli.demo.agents import BOTS, BROWSERS
from afflux.kernel.catalog import Goal, Link, Offer
from afflux.kernel.money import digits


class Visit(Struct, frozen=True, kw_only=True):
    """A visitor follows a link. `head`: a link preview asks with HEAD."""

    code: str
    sub1: str
    source: str
    head: bool = False


class View(Struct, frozen=True):
    """A visitor sees the creative of a link."""

    code: str


class Wait(Struct, frozen=True):
    """Time passes, in seconds."""

    seconds: float


class Report(Struct, frozen=True, kw_only=True):
    """The advertiser reports a goal for the story's last click."""

    advertiser_id: int
    goal: str
    txn_id: str
    amount: str | None
    currency: str
    how: str  # get | post | api
    wrong: str | None = None  # click_id | signature | token: what is forged


class Adjust(Struct, frozen=True, kw_only=True):
    """The advertiser changes what it reported."""

    advertiser_id: int
    goal: str
    txn_id: str
    kind: str
    amount: str | None
    currency: str


class Again(Struct, frozen=True):
    """The last report is sent again, `times`; with another amount it contradicts itself."""

    times: int
    other_amount: str | None = None


Action = Visit | View | Wait | Report | Adjust | Again


class Story(Struct, frozen=True, kw_only=True):
    """One visitor, from `start_s` on; `edge` 1 is cut off from Kafka for the first half."""

    name: str
    start_s: float
    agent: str
    actions: tuple[Action, ...]
    edge: int = 0


class Shelf(Struct, frozen=True):
    """What can be promoted: links with their offers, in a fixed order."""

    links: Sequence[tuple[Link, Offer]]


def make_plan(shelf: Shelf, seed: int, seconds: float, visitors: int) -> list[Story]:
    """Return the stories, in order of start."""
    random = Random(seed)
    stories = [_story(shelf, random, number, seconds) for number in range(visitors)]
    return sorted(stories, key=lambda story: story.start_s)


def _story(shelf: Shelf, random: Random, number: int, seconds: float) -> Story:
    kinds: list[tuple[int, Callable[[_Teller], Iterator[Action]]]] = [
        (40, _browsing),
        (22, _buying),
        (8, _approved_later),
        (6, _partial_refund),
        (4, _full_refund),
        (5, _repeating),
        (3, _contradicting),
        (3, _forging),
        (3, _double_clicking),
        (2, _refund_first),
        (4, _botting),
    ]
    tell = random.choices([k for _, k in kinds], [w for w, _ in kinds])[0]
    teller = _Teller(shelf, random, number)
    bot = tell is _botting
    late = number % 40 == 7 and tell is _buying
    actions = tuple(tell(teller))
    return Story(
        name=tell.__name__.strip("_"),
        start_s=random.uniform(0, 0.3 if late else 0.85) * seconds,
        agent=random.choice(BOTS if bot else BROWSERS),
        actions=actions,
        edge=1 if late else 0,
    )


class _Teller:
    """Draws what a story needs."""

    def __init__(self, shelf: Shelf, random: Random, number: int) -> None:
        self.random = random
        self.number = number
        self.shelf = shelf

    def visit(self, pick: tuple[Link, Offer] | None = None, *, head: bool = False) -> Visit:
        link, _ = pick or self.pick()
        return Visit(
            code=link.code,
            sub1=f"banner-{self.random.randint(1, 5)}",
            source=self.random.choice(["newsletter", "search", "social", "blog"]),
            head=head,
        )

    def pick(self) -> tuple[Link, Offer]:
        # A few links bring most of the traffic, as everywhere.
        return self.shelf.links[int(len(self.shelf.links) * self.random.random() ** 2)]

    def report(self, offer: Offer, wrong: str | None = None) -> Report:
        goal: Goal = self.random.choice(offer.goals)
        currency = _currency(offer, goal)
        paid_by_value = goal.revenue.percent is not None
        return Report(
            advertiser_id=offer.advertiser_id,
            goal=goal.name,
            txn_id=f"T{self.number:06}",
            amount=self.amount(currency) if paid_by_value else None,
            currency=currency,
            how=self.random.choice(["get", "post", "api"]),
            wrong=wrong,
        )

    def amount(self, currency: str) -> str:
        places = digits(currency)
        value = self.random.lognormvariate(4, 0.7) * (150 if places == 0 else 1)
        return f"{max(value, 1):.{places}f}"

    def part(self, amount: str, currency: str, share: float) -> str:
        return f"{float(amount) * share:.{digits(currency)}f}"


def _currency(offer: Offer, goal: Goal) -> str:
    default = {1: "EUR", 2: "USD", 3: "JPY"}.get(offer.advertiser_id, "EUR")
    return goal.revenue.currency or default


def _browsing(teller: _Teller) -> Iterator[Action]:
    for _ in range(teller.random.randint(1, 5)):
        visit = teller.visit(head=teller.random.random() < 0.03)
        yield from (View(visit.code), visit)
        yield Wait(teller.random.uniform(0.05, 1.0))


def _clicked(teller: _Teller) -> tuple[list[Action], Offer]:
    """Visits by several partners' links, the last of which leads to the report."""
    actions: list[Action] = []
    for _ in range(teller.random.randint(0, 3)):
        actions += [teller.visit(), Wait(teller.random.uniform(0.05, 0.5))]
    link, offer = teller.pick()
    # Some reports come sooner than an offer with a floor allows: the floor has to notice.
    pause = 0.3 if teller.random.random() < 0.1 else offer.ctit_floor_s + 0.4
    return [*actions, teller.visit((link, offer)), Wait(pause)], offer


def _buying(teller: _Teller) -> Iterator[Action]:
    actions, offer = _clicked(teller)
    yield from actions
    yield teller.report(offer)


def _adjust(report: Report, kind: str, amount: str | None = None) -> Adjust:
    return Adjust(
        advertiser_id=report.advertiser_id,
        goal=report.goal,
        txn_id=report.txn_id,
        kind=kind,
        amount=amount,
        currency=report.currency,
    )


def _approved_later(teller: _Teller) -> Iterator[Action]:
    actions, offer = _clicked(teller)
    report = teller.report(offer)
    yield from [*actions, report, Wait(0.5), _adjust(report, "approve")]


def _partial_refund(teller: _Teller) -> Iterator[Action]:
    actions, offer = _clicked(teller)
    report = teller.report(offer)
    part = report.amount and teller.part(report.amount, report.currency, 0.4)
    # Half of them come after the hold of the shortest offers: the money is available by then.
    later = teller.random.choice([0.3, 4.0])
    yield from actions
    yield report
    yield Wait(later)
    yield _adjust(report, "refund", part)


def _full_refund(teller: _Teller) -> Iterator[Action]:
    actions, offer = _clicked(teller)
    report = teller.report(offer)
    yield from [*actions, report, Wait(0.3)]
    yield _adjust(report, teller.random.choice(["refund", "chargeback"]))


def _repeating(teller: _Teller) -> Iterator[Action]:
    actions, offer = _clicked(teller)
    yield from [*actions, teller.report(offer), Again(3)]


def _contradicting(teller: _Teller) -> Iterator[Action]:
    actions, offer = _clicked(teller)
    report = teller.report(offer)
    yield from [*actions, report, Again(1, teller.amount(report.currency))]


def _forging(teller: _Teller) -> Iterator[Action]:
    actions, offer = _clicked(teller)
    yield from actions
    yield teller.report(offer, teller.random.choice(["click_id", "signature", "token"]))


def _double_clicking(teller: _Teller) -> Iterator[Action]:
    pick = teller.pick()
    yield teller.visit(pick)
    yield teller.visit(pick)
    yield Wait(pick[1].ctit_floor_s + 0.4)
    yield teller.report(pick[1])


def _refund_first(teller: _Teller) -> Iterator[Action]:
    actions, offer = _clicked(teller)
    report = teller.report(offer)
    part = report.amount and teller.part(report.amount, report.currency, 0.5)
    yield from actions
    yield _adjust(report, "refund", part)
    yield Wait(0.5)
    yield report


def _botting(teller: _Teller) -> Iterator[Action]:
    for _ in range(teller.random.randint(3, 8)):
        yield teller.visit()
    pick = teller.pick()
    yield teller.visit(pick)
    yield Wait(pick[1].ctit_floor_s + 0.4)
    yield teller.report(pick[1])
