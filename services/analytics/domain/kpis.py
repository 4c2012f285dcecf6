"""Every KPI, defined once: name, unit, formula, sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from fractions import Fraction

from msgspec import Struct

from services.analytics.domain.filters import Refusal

Measures = Mapping[str, int]
Number = int | Fraction | None


class Unit(StrEnum):
    """What a KPI's number is. Money is in minor units of the row's currency."""

    COUNT = "count"
    RATIO = "ratio"
    MONEY = "money"
    MONEY_EACH = "money per unit"
    MILLISECONDS = "milliseconds"


class Kpi(Struct, frozen=True):
    """A KPI; `partner` says whether a partner may see it. None stands where nothing is divided."""

    name: str
    unit: Unit
    formula: str
    sentence: str
    compute: Callable[[Measures], Number]
    partner: bool = True


def _count(name: str, sentence: str, formula: str = "") -> Kpi:
    return Kpi(name, Unit.COUNT, formula or name, sentence, lambda m: m.get(name, 0))


def _money(name: str, formula: str, sentence: str, *, partner: bool = False) -> Kpi:
    return Kpi(name, Unit.MONEY, formula, sentence, lambda m: m.get(name, 0), partner)


def _time(name: str, share: str) -> Kpi:
    sentence = f"Time from the credited click to the conversion that {share} of them stay within."
    formula = f"quantile {share} of (converted_at - clicked_at)"
    return Kpi(name, Unit.MILLISECONDS, formula, sentence, lambda m: m.get(name))


def _per(
    name: str, unit: Unit, formula: str, sentence: str, *, partner: bool = True, times: int = 1
) -> Kpi:
    """A quotient of sums, written as it is read: `a - b / c` is (a - b) / c."""
    above, below = (side.split() for side in formula.split(" / "))

    def compute(m: Measures) -> Number:
        divisor = _sum(m, below)
        return None if divisor == 0 else Fraction(times * _sum(m, above), divisor)

    shown = f"{times} * ({formula})" if times != 1 else formula
    return Kpi(name, unit, shown, sentence, compute, partner)


def _sum(m: Measures, terms: list[str]) -> int:
    total, sign = 0, 1
    for term in terms:
        if term in ("+", "-"):
            sign = -1 if term == "-" else 1
        else:
            total += sign * _measure(m, term)
    return total


def _measure(m: Measures, name: str) -> int:
    if name == "clicks_valid":
        return m.get("clicks_gross", 0) - m.get("clicks_invalid", 0)
    return m.get(name, 0)


KPIS: tuple[Kpi, ...] = (
    _count("impressions", "Views of creatives that count: no preview, nothing paused."),
    _count("clicks_gross", "Clicks that were sent on, to the landing page or the fallback."),
    Kpi(
        "clicks_valid",
        Unit.COUNT,
        "clicks_gross - clicks_invalid",
        "Clicks that no exact rule found invalid.",
        lambda m: _measure(m, "clicks_valid"),
    ),
    _count("clicks_invalid", "Clicks that an exact rule found invalid: a bot, a repetition."),
    _count("clicks_unique", "Distinct visitors of a day, added up over the days."),
    _count("conversions", "Conversions reported, in their newest assessment."),
    _count("conversions_approved", "Conversions that passed and that the advertiser approved."),
    _count("conversions_pending", "Conversions that passed and wait for the advertiser."),
    _count("conversions_held", "Conversions that fraud control holds for review."),
    _count("conversions_rejected", "Conversions that the advertiser or fraud control rejected."),
    _count("conversions_refunded", "Conversions with a refund or a chargeback, full or partial."),
    _count("customers_new", "Conversions that the advertiser says came from a new customer."),
    _per(
        "ctr",
        Unit.RATIO,
        "clicks_valid / impressions",
        "Click-through rate: valid clicks by impression.",
    ),
    _per(
        "cr",
        Unit.RATIO,
        "conversions - conversions_rejected / clicks_valid",
        "Conversion rate: conversions not rejected by valid click.",
    ),
    _per(
        "approval_rate",
        Unit.RATIO,
        "conversions_approved / conversions",
        "Share of the conversions that are approved.",
    ),
    _per(
        "rejection_rate",
        Unit.RATIO,
        "conversions_rejected / conversions",
        "Share of the conversions that are rejected.",
    ),
    _per(
        "refund_rate",
        Unit.RATIO,
        "conversions_refunded / conversions",
        "Share of the conversions that were refunded at least in part.",
    ),
    _money(
        "order_value",
        "order value of conversions not rejected",
        "What customers ordered, before refunds.",
        partner=True,
    ),
    _per(
        "aov",
        Unit.MONEY_EACH,
        "order_value / orders",
        "Average order value of the conversions not rejected that name one.",
    ),
    _per(
        "approval_rate_value",
        Unit.RATIO,
        "order_value_approved / order_value_all",
        "Share of the order value that is approved.",
    ),
    _per(
        "rejection_rate_value",
        Unit.RATIO,
        "order_value_rejected / order_value_all",
        "Share of the order value that is rejected.",
    ),
    _money(
        "revenue",
        "debits - credits of the advertisers' receivables",
        "What advertisers owe for conversions, net of reversals.",
    ),
    _money(
        "commission",
        "credits - debits of the partners' accounts",
        "What partners have earned, pending or more, net of reversals.",
        partner=True,
    ),
    _money(
        "margin",
        "credits - debits of the network's margin",
        "What is left to the network: revenue - commission where both are in one currency.",
    ),
    _per(
        "epc",
        Unit.MONEY_EACH,
        "commission / clicks_valid",
        "Earnings of the partner by valid click.",
    ),
    _per(
        "network_epc",
        Unit.MONEY_EACH,
        "revenue / clicks_valid",
        "Revenue by valid click.",
        partner=False,
    ),
    _per(
        "ecpt",
        Unit.MONEY_EACH,
        "commission / clicks_valid",
        "Commission by thousand valid clicks.",
        times=1000,
    ),
    _per(
        "ecpm",
        Unit.MONEY_EACH,
        "commission / impressions",
        "Commission by thousand impressions.",
        times=1000,
    ),
    _per(
        "cpa",
        Unit.MONEY_EACH,
        "commission / customers_new",
        "Commission by new customer.",
        partner=False,
    ),
    _per(
        "roi", Unit.RATIO, "margin / commission", "Margin by commission paid for it.", partner=False
    ),
    _time("ctit_p50", "50%"),
    _time("ctit_p90", "90%"),
    _time("ctit_p99", "99%"),
)
BY_NAME: dict[str, Kpi] = {kpi.name: kpi for kpi in KPIS}
DEFAULT: tuple[str, ...] = (
    "clicks_gross", "clicks_valid", "clicks_invalid", "clicks_unique", "conversions",
    "conversions_approved", "conversions_pending", "conversions_held", "conversions_rejected",
    "cr", "order_value", "revenue", "commission", "margin", "epc", "aov", "ctit_p50",
)  # fmt: skip


def chosen(names: str | None, *, for_partner: bool) -> tuple[Kpi, ...]:
    """Return the KPIs of a comma-separated list; `all` for all, None for the usual ones.

    Errors: Refusal for an unknown name, or one that a partner may not see.
    """
    match names:
        case None | "":
            asked = [BY_NAME[name] for name in DEFAULT]
        case "all":
            asked = list(KPIS)
        case _:
            asked = [_by_name(name.strip()) for name in names.split(",")]
            if hidden := [kpi.name for kpi in asked if for_partner and not kpi.partner]:
                raise Refusal(f"{', '.join(hidden)}: partners cannot see this")
    return tuple(kpi for kpi in asked if kpi.partner or not for_partner)


def _by_name(name: str) -> Kpi:
    try:
        return BY_NAME[name]
    except KeyError:
        raise Refusal(f"{name!r} is no KPI; there are {', '.join(BY_NAME)}") from None


def markdown() -> str:
    """Return the table of all KPIs for the README."""
    lines = ["| KPI | unit | formula | meaning |", "|---|---|---|---|"]
    lines += [f"| {k.name} | {k.unit} | {k.formula} | {k.sentence} |" for k in KPIS]
    return "\n".join(lines) + "\n"
