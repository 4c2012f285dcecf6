"""The money a conversion should have in the ledger, from its shares, terms and adjustments.

Terms are those true at the order time as known when the report was recorded (never later than the
step's own instant), so that a later version of a rule changes no conversion reported before. The
whole conversion's amount is rounded once, half to even; then the shares divide it by largest
remainder, so that they sum to it to the cent (law A1). A part given back takes the same part of
every amount, flat ones too.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from msgspec import Struct

from afflux.kernel.catalog import Catalog, Goal, Offer, Partner
from afflux.kernel.catalog import Terms as CatalogTerms
from afflux.kernel.events import Status, Verdict
from afflux.kernel.money import Money, allocate
from afflux.kernel.types import Millis
from services.payouts.domain.effects import ALL, Effects
from services.payouts.domain.facts import (
    COMMISSION,
    FX_LEG,
    REVENUE,
    Credit,
    Rate,
    Sale,
    Slot,
    Terms,
)
from services.payouts.domain.fx import find_rate, rate_value
from services.payouts.domain.rules import Chosen, RuleBook, choose, goal_rule_id


class World(Struct, frozen=True):
    """The catalogue and its rules by what they name."""

    catalog: Catalog
    book: RuleBook

    @classmethod
    def of(cls, catalog: Catalog) -> World:
        """Return the world of a catalogue."""
        return cls(catalog, RuleBook(catalog))


class Line(Struct, frozen=True, gc=False):
    """What one slot should hold, and why; `amount` is positive."""

    slot: Slot
    amount: int
    terms: Terms


class Target(Struct, frozen=True):
    """What a conversion should have posted, the rates used, and when it may be released."""

    lines: tuple[Line, ...] = ()
    rates: tuple[Rate, ...] = ()
    hold_until: Millis | None = None
    approved: bool = False


class RateMissing(Struct, frozen=True):
    """No rate of the order's time is known (yet) for this pair."""

    base: str
    quote: str


class Unknown(Struct, frozen=True):
    """The decision names what the catalogue does not hold: a reason code and a sentence."""

    reason: str
    detail: str


class _Context(Struct, frozen=True):
    """The catalogue's answers for one credit."""

    credit: Credit
    offer: tuple[Offer, int]
    goal: Goal
    partner: Partner
    chosen: Chosen | None


def target(
    sale: Sale, now: Effects, rates: tuple[Rate, ...], world: World, as_of: Millis
) -> Target | RateMissing | Unknown:
    """Return what `sale` should have posted after `now`, with `rates` it used before."""
    if not sale.credits or sale.verdict is Verdict.REJECT or not now.remaining:
        return Target(rates=rates)
    contexts: list[_Context] = []
    for credit in sale.credits:
        found = _context(sale, credit, world, as_of)
        if isinstance(found, Unknown):
            return found
        contexts.append(found)
    weights = [ALL]
    if len(sale.credits) > 1:
        weights = [Fraction(credit.numerator, credit.denominator) for credit in sale.credits]
    sums: dict[Slot, Line] = {}
    for index, context in enumerate(contexts):
        lines = _lines(sale, now, context, (weights, index), rates, world, as_of)
        if isinstance(lines, RateMissing):
            return lines
        rates = lines[1]
        for line in lines[0]:
            before = sums.get(line.slot)
            amount = line.amount + (before.amount if before else 0)
            sums[line.slot] = Line(line.slot, amount, line.terms)
    return Target(
        tuple(line for line in sums.values() if line.amount > 0),
        rates,
        Millis(sale.occurred_at + 1000 * max(c.offer[0].hold_s(c.goal) for c in contexts)),
        approved(sale, now),
    )


def approved(sale: Sale, now: Effects) -> bool:
    """Return whether the advertiser stands by the conversion: by its report or an adjustment.

    A report that says nothing gets its status at the edge from who approves the goal.
    """
    return now.approved or sale.status is Status.APPROVED


def _context(sale: Sale, credit: Credit, world: World, as_of: Millis) -> _Context | Unknown:
    valid_at, known_at = sale.occurred_at, min(sale.known_at, as_of)
    catalog = world.catalog
    offer = catalog.find_version(Offer, credit.offer_id, valid_at, known_at)
    if offer is None:
        return Unknown("offer_unknown", f"offer {credit.offer_id} is not in the catalogue")
    goal = offer[0].goal(sale.goal)
    if goal is None:
        return Unknown("goal_not_in_offer", f"offer {credit.offer_id} has no goal {sale.goal!r}")
    partner = catalog.find(Partner, credit.partner_id, valid_at, known_at)
    if partner is None:
        return Unknown("partner_unknown", f"partner {credit.partner_id} is not in the catalogue")
    rules = world.book.candidates(partner, offer[0], valid_at, known_at)
    return _Context(credit, offer, goal, partner, choose(rules, partner, offer, goal))


def _lines(
    sale: Sale,
    now: Effects,
    context: _Context,
    part: tuple[list[Fraction], int],
    rates: tuple[Rate, ...],
    world: World,
    as_of: Millis,
) -> tuple[list[Line], tuple[Rate, ...]] | RateMissing:
    who = (context.credit.partner_id, context.credit.offer_id)
    owed = Terms(goal_rule_id(context.offer[0], context.goal), context.offer[1])
    lines = [
        Line(Slot(*who, REVENUE, currency, currency), _share(amount, part), owed)
        for currency, amount in amounts(context.goal.revenue, now)
    ]
    chosen = context.chosen
    if chosen is None:
        return lines, rates
    terms, home = Terms(chosen.rule_id, chosen.rule_version), context.partner.currency
    for currency, amount in amounts(chosen.terms, now):
        mine = _share(amount, part)
        if currency == home:
            lines.append(Line(Slot(*who, COMMISSION, home, home), mine, terms))
            continue
        rate = _rate(sale, currency, home, rates, world, as_of)
        if rate is None:
            return RateMissing(currency, home)
        rates = rates if rate in rates else (*rates, rate)
        named = Terms(terms.rule_id, terms.rule_version, rate.rate, rate.version)
        converted = Money(mine, currency).convert(rate_value(rate.rate), home).minor
        lines.append(Line(Slot(*who, FX_LEG, currency, currency), mine, named))
        lines.append(Line(Slot(*who, COMMISSION, home, currency), converted, named))
    return lines, rates


def amounts(terms: CatalogTerms, now: Effects) -> list[tuple[str, int]]:
    """Return what `terms` make of what is left of the order: minor units by currency."""
    sums: dict[str, int] = {}
    if terms.percent is not None and now.value_minor is not None and now.currency is not None:
        sums[now.currency] = portion(now.value_minor, _percent(terms.percent))
    if terms.flat_minor is not None and terms.currency is not None:
        sums[terms.currency] = sums.get(terms.currency, 0) + terms.flat_minor
    left = now.remaining
    if left is not ALL:
        sums = {currency: portion(amount, left) for currency, amount in sums.items()}
    return list(sums.items())


def portion(amount: int, part: Fraction) -> int:
    """Return `part` of an amount, rounded half to even: `round(amount * part)` in integers."""
    whole, rest = divmod(amount * part.numerator, part.denominator)
    twice = 2 * rest
    if twice > part.denominator or (twice == part.denominator and whole & 1):
        return whole + 1
    return whole


@lru_cache(maxsize=4096)
def _percent(text: str) -> Fraction:
    return Fraction(text) / 100


def _share(amount: int, part: tuple[list[Fraction], int]) -> int:
    weights, index = part
    return amount if len(weights) == 1 else allocate(amount, weights)[index]


def _rate(
    sale: Sale, base: str, quote: str, used: tuple[Rate, ...], world: World, as_of: Millis
) -> Rate | None:
    """The rate used before, else as known when the report came, else as known by now (law L9)."""
    for rate in used:
        if rate.base == base and rate.quote == quote:
            return rate
    known_at = min(sale.known_at, as_of)
    found = find_rate(world.catalog, base, quote, sale.occurred_at, known_at)
    return found or find_rate(world.catalog, base, quote, sale.occurred_at, as_of)
