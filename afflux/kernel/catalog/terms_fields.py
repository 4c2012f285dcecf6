"""How a catalogue file spells terms: `7%`, `2.50 EUR`, `5% + 1.00 EUR`, or a mapping."""

from __future__ import annotations

from afflux.kernel import scalars
from afflux.kernel.catalog.entities import Terms
from afflux.kernel.document import (
    BAD,
    Field,
    Node,
    Problems,
    Text,
    build,
    read_fields,
    scalar,
)
from afflux.kernel.money import major, parse_amount

_currency = scalar(scalars.currency)
_TERMS = {
    "percent": Field("percent", scalar(scalars.percent)),
    "flat": Field("flat", scalar(str)),
    "currency": Field("currency", _currency),
}


def read_terms(node: Node, path: str, problems: Problems) -> object:
    """Read terms: `7%`, `2.50 EUR`, `5% + 1.00 EUR`, or {percent, flat, currency}."""
    if isinstance(node, Text):
        return _short_terms(node, path, problems)
    values = read_fields(node, path, problems, _TERMS)
    if values is None:
        return BAD
    if not values.keys() & {"percent", "flat"}:
        problems.add(node.line, path, "neither percent nor flat is given")
        return BAD
    return _with_flat(values, node, path, problems)


def _short_terms(node: Text, path: str, problems: Problems) -> object:
    values: dict[str, object] = {}
    for part in node.value.split("+"):
        words = part.split()
        if len(words) == 1 and words[0].endswith("%") and "percent" not in values:
            values["percent"] = scalar(scalars.percent)(Text(node.line, words[0]), path, problems)
        elif len(words) == 2 and "flat" not in values:
            values["flat"] = words[0]
            values["currency"] = _currency(Text(node.line, words[1]), path, problems)
        else:
            problems.add(
                node.line, path, f"{node.value[:60]!r} is not like 7%, 2.50 EUR or 5% + 1.00 EUR"
            )
            return BAD
    return BAD if BAD in values.values() else _with_flat(values, node, path, problems)


def _with_flat(values: dict[str, object], node: Node, path: str, problems: Problems) -> object:
    flat, currency = values.pop("flat", None), values.get("currency")
    if (flat is None) != (currency is None):
        missing = "flat" if flat is None else "currency"
        problems.add(node.line, path, f"a flat amount needs its currency: {missing} is missing")
        return BAD
    if flat is not None:
        try:
            values["flat_minor"] = parse_amount(str(flat), str(currency)).minor
        except ValueError as error:
            problems.add(node.line, path, str(error))
            return BAD
    return build(Terms, values, node.line, path, problems)


def terms_text(terms: object) -> object:
    """Return terms as they are written: `5% + 1.00 EUR`."""
    if not isinstance(terms, Terms):
        return None
    parts = [] if terms.percent is None else [f"{terms.percent}%"]
    if terms.flat_minor is not None and terms.currency is not None:
        parts.append(f"{major(terms.flat_minor, terms.currency)} {terms.currency}")
    return " + ".join(parts)
