"""One conversion's trace as a text for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape

from afflux.kernel.money import major
from afflux.kernel.reasons import REASONS

Row = dict[str, Any]


def tell(trace: dict[str, Any], console: Console) -> None:
    """Print a trace in the order it was recorded, instants as they were recorded."""
    console.print(f"[bold]Conversion {trace['conversion_key']}[/]")
    rows = [(name, row) for name in _LINES for row in trace.get(name, ())]
    # Sorting is stable: what is recorded at the same instant stays in the order of the pipeline.
    for name, row in sorted(rows, key=lambda one: str(one[1]["recorded_at"])):
        for text in _LINES[name](row):
            console.print(f"  {text}", soft_wrap=True)


def _click(row: Row) -> Iterable[str]:
    source = f" source {escape(row['source'])}" if row.get("source") else ""
    yield (
        f"{_at(row)} [cyan]click[/] {row['click_id'][:12]} partner {row['partner_id']} "
        f"offer {row['offer_id']}{source}, {escape(row['device'])} {escape(row['browser'])}"
    )


def _view(row: Row) -> Iterable[str]:
    yield (
        f"{_at(row)} [cyan]view[/] {row['impression_id'][:12]} partner {row['partner_id']} "
        f"offer {row['offer_id']}, {escape(row['device'])} {escape(row['browser'])}"
    )


def _flag(row: Row) -> Iterable[str]:
    if row.get("click_id"):
        names = ", ".join(row.get("signal_names", []))
        yield f"{_at(row)} [yellow]flag[/] {row['click_id'][:12]} {row['action']}: {names}"


def _conversion(row: Row) -> Iterable[str]:
    yield (
        f"{_at(row)} [cyan]report[/] {escape(row['goal'])} of advertiser {row['advertiser_id']}, "
        f"transaction {escape(str(row['transaction_id']))}, {_money(row, 'value_minor')}, "
        f"{row['status']}, by {row['channel']} with {row['authentication']}"
    )


def _rejection(row: Row) -> Iterable[str]:
    yield f"{_at(row)} [red]refused[/] {row['status']} {_reason(row['reason'])}"


def _adjustment(row: Row) -> Iterable[str]:
    amount = f" of {_money(row, 'value_minor')}" if row.get("value_minor") else ""
    yield f"{_at(row)} [cyan]{row['kind']}[/]{amount} by the advertiser"


def _decision(row: Row) -> Iterable[str]:
    reason = f": {_reason(row['reason'])}" if row.get("reason") else ""
    yield (
        f"{_at(row)} [magenta]decision[/] version {row['version']}: {row['result']} by "
        f"{row['signal']}, model {row['model']}, window {row['window_s']} s, terms version "
        f"{row['terms_version']}, waited {row['waited_ms']} ms{reason}"
    )


def _redecision(row: Row) -> Iterable[str]:
    yield (
        f"{_at(row)} [yellow]asked again[/] by {escape(row['author'])}, with the catalogue as "
        f"known at {row['known_at']}: {escape(row['reason_text'])}"
    )


def _assessment(row: Row) -> Iterable[str]:
    yield f"{_at(row)} [magenta]verdict[/] version {row['version']}: [bold]{row['verdict']}[/]"
    for reason in _records(row.get("reasons")):
        inputs = ", ".join(f"{one['name']}={one['value']}" for one in reason["inputs"])
        yield (
            f"    rule {reason['rule']} version {reason['version']} asks for {reason['action']}: "
            f"{escape(inputs)}, threshold {escape(str(reason['threshold']))}"
        )


def _entry(row: Row) -> Iterable[str]:
    rule = f" by rule {escape(row['rule_id'])}" if row.get("rule_id") else ""
    rate = f" at rate {row['fx_rate']}" if row.get("fx_rate") else ""
    yield (
        f"{_at(row)} [green]transfer[/] {_money(row, 'amount_minor')} {row['debit']} -> "
        f"{row['credit']}{rule}{rate}: {_reason(row['reason'])}"
    )


_LINES: dict[str, Callable[[Row], Iterable[str]]] = {
    "clicks": _click,
    "impressions": _view,
    "flags": _flag,
    "conversions": _conversion,
    "rejections": _rejection,
    "adjustments": _adjustment,
    "redecisions": _redecision,
    "decisions": _decision,
    "assessments": _assessment,
    "entries": _entry,
}


def _records(value: object) -> list[Row]:
    """Nested records are stored as JSON text."""
    found: list[Row] = json.loads(value) if isinstance(value, str) else []
    return found


def _at(row: Row) -> str:
    return f"[dim]{row['recorded_at']}[/]"


def _money(row: Row, column: str) -> str:
    minor, currency = row.get(column), row.get("currency")
    return "no amount" if minor is None or not currency else f"{major(minor, currency)} {currency}"


def _reason(code: str) -> str:
    known = REASONS.get(code)
    return f"{code} ({known.en})" if known else code
