"""The conservation table: one line for each thing that must be the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from afflux.cli.proof.log_side import NO_AMOUNT, LogSide
from afflux.kernel.events import (
    Adjustment,
    Assessment,
    Click,
    Conversion,
    Decision,
    Impression,
    Rejection,
)
from afflux.kernel.money import major

STAGES = ("taken in", "kafka", "decided", "assessed", "clickhouse", "ledger")
_KINDS = {
    "clicks": Click.topic,
    "impressions": Impression.topic,
    "conversions": Conversion.topic,
    "adjustments": Adjustment.topic,
    "rejections": Rejection.topic,
}
_JOURNALED = {topic: name.removesuffix("s") for name, topic in _KINDS.items()}


class Line(Struct, frozen=True):
    """One line: what is counted, what each stage says, whether all of them agree."""

    what: str
    cells: dict[str, str]
    ok: bool
    note: str = ""


class Inside(Struct, frozen=True):
    """What the stages say, gathered from each of them.

    `journals` counts by kind, of all edges; `imports` by topic; `clickhouse` (rows, amount as a
    check digit) by topic; `ledger_keys` the conversions the ledger knows or has refused with a
    reason; `money` of PostgreSQL and of ClickHouse by (class of account, currency).
    """

    journals: Mapping[str, int]
    imports: Mapping[str, int]
    log: LogSide
    clickhouse: Mapping[str, int]
    ledger_keys: int
    ledger_money: Mapping[tuple[str, str], int]
    clickhouse_money: Mapping[tuple[str, str], int]


def conservation(inside: Inside) -> list[Line]:
    """Return the table; the law holds if every line is ok."""
    return [
        *(_tracked(inside, name, topic) for name, topic in _KINDS.items()),
        _keys(inside),
        *_values(inside),
        *_money(inside),
    ]


def _tracked(inside: Inside, name: str, topic: str) -> Line:
    log = inside.log
    taken = inside.journals.get(_JOURNALED[topic], 0) + inside.imports.get(topic, 0)
    distinct = log.live[topic] + log.imported[topic]
    repeats = log.repeats[topic]
    damaged = log.damaged[topic]
    rows = inside.clickhouse.get(topic, 0) - repeats - damaged
    notes = [f"{log.imported[topic]} imported" if log.imported[topic] else ""]
    notes += [f"{repeats} shipped twice" if repeats else ""]
    notes += [f"{damaged} damaged records beside them" if damaged else ""]
    return Line(
        name,
        {"taken in": str(taken), "kafka": str(distinct), "clickhouse": str(rows)},
        taken == distinct == rows,
        ", ".join(filter(None, notes)),
    )


def _keys(inside: Inside) -> Line:
    known, decided, assessed = (
        len(inside.log.keys.get(kind.topic, ())) for kind in (Conversion, Decision, Assessment)
    )
    return Line(
        "conversion keys",
        {
            "kafka": str(known),
            "decided": str(decided),
            "assessed": str(assessed),
            "ledger": str(inside.ledger_keys),
        },
        known == decided == assessed == inside.ledger_keys,
    )


def _values(inside: Inside) -> list[Line]:
    sums = {
        stage: inside.log.amounts(kind.topic)
        for stage, kind in (("kafka", Conversion), ("decided", Decision), ("assessed", Assessment))
    }
    lines = []
    for currency in sorted(set[str]().union(*sums.values()) - {NO_AMOUNT}):
        cells = {stage: _text(totals[currency], currency) for stage, totals in sums.items()}
        lines.append(Line(f"order value {currency}", cells, len(set(cells.values())) == 1))
    return lines


def _money(inside: Inside) -> list[Line]:
    sides: dict[str, Mapping[tuple[str, str], int]] = {
        "kafka": inside.log.money,
        "clickhouse": inside.clickhouse_money,
        "ledger": inside.ledger_money,
    }
    lines = []
    for account, currency in sorted(set[tuple[str, str]]().union(*sides.values())):
        cells = {
            stage: _text(side.get((account, currency), 0), currency)
            for stage, side in sides.items()
        }
        lines.append(Line(f"{account} {currency}", cells, len(set(cells.values())) == 1))
    return lines


def _text(minor: int, currency: str) -> str:
    return major(minor, currency)
