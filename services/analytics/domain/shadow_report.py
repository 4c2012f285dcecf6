"""The report of a trial run: what another model would move between partners, exact to the cent.

Amounts come from the column store in 10^-9 of a minor unit: of each conversion the parts (of 10^9,
what is left over to the first partner) sum to the whole, so all sums are exact integers. Here they
are rounded once, by largest remainder, so that each column still sums to its total.

The commission that a partner would have is an approximation: the commission that the conversion
really earned its partners, divided by the trial's shares. Partners' own commission rules, tiers
and currencies are not run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from afflux.kernel.money import major

SCALE = 10**9
"""Parts of a conversion, and of a minor unit."""


class Amounts(Struct, frozen=True):
    """Sums of one partner in one currency, in 10^-9 of a minor unit."""

    order_real: int = 0
    order_shadow: int = 0
    commission_real: int = 0
    commission_shadow: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.order_real + other.order_real,
            self.order_shadow + other.order_shadow,
            self.commission_real + other.commission_real,
            self.commission_shadow + other.commission_shadow,
        )


class Sums(Struct, frozen=True):
    """What the column store adds up: conversions in parts of 10^9 (real, shadow) by partner,
    amounts by partner and currency, and how many conversions there were.

    `only_real`, `only_shadow`: conversions that only one of both credits to anybody;
    `lost`: the real commission of the former, in minor units by currency.
    """

    conversions: int
    only_real: int
    only_shadow: int
    credited: Mapping[int, tuple[int, int]]
    amounts: Mapping[tuple[int, str], Amounts]
    lost: Mapping[str, int] = {}


class Line(Struct, frozen=True):
    """One partner in one currency; money in major units, conversions with four decimals.

    The counts of a partner stand in each of its currencies: do not add them up.
    """

    partner: int
    currency: str
    conversions_real: str
    conversions_shadow: str
    order_value_real: str | None
    order_value_shadow: str | None
    commission_real: str | None
    commission_shadow: str | None
    commission_moved: str | None


class Total(Struct, frozen=True):
    """The sums of one currency. What moved sums to zero over the conversions that both models
    credit; what is left is `commission_lost`, of those that the trial credits to nobody."""

    currency: str
    commission_real: str
    commission_shadow: str
    commission_moved: str
    commission_lost: str


class ShadowReport(Struct, frozen=True):
    """The whole answer."""

    offer: int
    model: str
    goal: str | None
    conversions: int
    only_real: int
    only_shadow: int
    rows: list[Line]
    totals: list[Total]


COLUMNS = Line.__struct_fields__


def report(offer: int, model: str, goal: str | None, sums: Sums) -> ShadowReport:
    """Return the report of one trial run."""
    currencies = sorted({currency for _, currency in sums.amounts})
    rows: list[Line] = []
    totals: list[Total] = []
    for currency in currencies:
        own = {p: amounts for (p, c), amounts in sums.amounts.items() if c == currency}
        columns = {
            name: rounded({p: getattr(amounts, name) for p, amounts in own.items()})
            for name in Amounts.__struct_fields__
        }
        rows += [_line(partner, currency, columns, sums) for partner in own]
        totals.append(_total(currency, columns, sums.lost.get(currency, 0)))
    with_money = {partner for partner, _ in sums.amounts}
    rows += [_line(partner, "", {}, sums) for partner in sums.credited if partner not in with_money]
    return ShadowReport(
        offer,
        model,
        goal,
        sums.conversions,
        sums.only_real,
        sums.only_shadow,
        sorted(rows, key=lambda row: (row.partner, row.currency)),
        totals,
    )


def rounded(scaled: Mapping[int, int]) -> dict[int, int]:
    """Return minor units of amounts in 10^-9 of them, by largest remainder: they sum to the
    rounded sum. Equal remainders are served in order of partner."""
    parts = {partner: value // SCALE for partner, value in sorted(scaled.items())}
    missing = round(Fraction(sum(scaled.values()), SCALE)) - sum(parts.values())
    order = sorted(parts, key=lambda partner: (-(scaled[partner] % SCALE), partner))
    for partner in order[:missing]:
        parts[partner] += 1
    return parts


def _line(
    partner: int, currency: str, columns: Mapping[str, Mapping[int, int]], sums: Sums
) -> Line:
    real, shadow = sums.credited.get(partner, (0, 0))
    minor = {name: column[partner] for name, column in columns.items()}

    def text(value: int | None) -> str | None:
        return None if value is None or not currency else major(value, currency)

    moved = minor["commission_shadow"] - minor["commission_real"] if minor else None
    return Line(
        partner=partner,
        currency=currency,
        conversions_real=_count(real),
        conversions_shadow=_count(shadow),
        order_value_real=text(minor.get("order_real")),
        order_value_shadow=text(minor.get("order_shadow")),
        commission_real=text(minor.get("commission_real")),
        commission_shadow=text(minor.get("commission_shadow")),
        commission_moved=text(moved),
    )


def _total(currency: str, columns: Mapping[str, Mapping[int, int]], lost: int) -> Total:
    real = sum(columns["commission_real"].values())
    shadow = sum(columns["commission_shadow"].values())
    values = (real, shadow, shadow - real, lost)
    return Total(currency, *(major(value, currency) for value in values))


def _count(parts: int) -> str:
    """Return conversions with four decimals."""
    return f"{Decimal(round(Fraction(parts, SCALE // 10_000))) / 10_000:.4f}"
