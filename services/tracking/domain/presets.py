"""Presets: the parameters that other vendors' systems send, read as our fields.

The table is schemas/postback-presets.yaml. Nothing is guessed: two parameters that mean one field
must agree, and a value that a preset does not know is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from afflux.kernel.document import (
    BAD,
    Entry,
    Field,
    Node,
    Parse,
    Problems,
    Table,
    listing,
    read_fields,
    record,
    scalar,
    unknown,
)
from services.tracking.domain.conversions import FIELDS
from services.tracking.domain.refusal import Refusal

CREDENTIALS = ("advertiser", "token", "kid", "ts", "nonce", "sig")
_OWN = frozenset((*FIELDS, *CREDENTIALS))
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_ZONE = re.compile(r"(Z|[+-]\d\d:?\d\d| \d\d:?\d\d)$", re.I)
_CLICK_END = 22
"""Characters of a click id that hold its signature: they tell it from every other."""


class Preset(Struct, frozen=True, kw_only=True):
    """One vendor's parameters; the attributes are those of the table."""

    vendor: str
    source: list[str]
    fields: dict[str, list[str]]
    values: dict[str, dict[str, str]] = {}
    ignore: list[str] = []
    utc: list[str] = []
    per_click: list[str] = []


Presets = Mapping[str, Preset]


def translate(params: Mapping[str, object], preset: Preset) -> dict[str, object] | Refusal:
    """Return the parameters of a vendor under our names, or why they cannot be read."""
    theirs = {name for names in preset.fields.values() for name in names} | {*preset.ignore}
    out: dict[str, object] = {
        name: value for name, value in params.items() if name in _OWN and name not in theirs
    }
    for ours, names in preset.fields.items():
        given = {name: params[name] for name in names if params.get(name) not in (None, "")}
        if out.get(ours) not in (None, ""):
            given[ours] = out[ours]
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, (str, int)):
                return Refusal("field_invalid", f"{name} is not a text or a number", name)
        if len(set(map(str, given.values()))) > 1:
            both = " and ".join(given)
            return Refusal("field_invalid", f"{both} mean the same and differ", next(iter(given)))
        for name, value in given.items():
            if name not in names:
                continue
            known = preset.values.get(ours)
            text = value if known is None else known.get(str(value).strip().lower())
            if text is None:
                choice = ", ".join(known or ())
                return Refusal("field_invalid", f"{str(value)[:40]!r} is none of {choice}", name)
            out[ours] = text
    return _complete(out, preset)


def _complete(out: dict[str, object], preset: Preset) -> dict[str, object]:
    for name in preset.utc:
        text = out.get(name)
        if isinstance(text, str) and ":" in text and not _ZONE.search(text.strip()):
            out[name] = text.strip() + "Z"
    click_id = out.get("click_id")
    for name in preset.per_click:
        if out.get(name) not in (None, "") and isinstance(click_id, str):
            out[name] = f"{out[name]}@{click_id[-_CLICK_END:]}"
    return out


def read_presets(document: Node, problems: Problems) -> Presets:
    """Return the presets that a document declares; what is wrong with it goes to `problems`."""
    values = read_fields(
        document, "", problems, {"presets": Field("presets", _presets, required=True)}
    )
    found = None if values is None else values["presets"]
    return found if isinstance(found, dict) else {}


def _presets(node: Node, path: str, problems: Problems) -> object:
    return _mapping(_preset, _NAME)(node, path, problems)


def _mapping(item: Parse, names: re.Pattern[str] | Mapping[str, object]) -> Parse:
    """Return a parse of a table with the given names: a pattern, or all that are known."""

    def wrong(entry: Entry) -> str | None:
        if isinstance(names, re.Pattern):
            return None if names.fullmatch(entry.name) else f"{entry.name[:40]!r} is no name"
        return None if entry.name in names else unknown(entry.name, names, "field")

    def parse(node: Node, path: str, problems: Problems) -> object:
        if not isinstance(node, Table):
            problems.add(node.line, path, "a mapping is wanted")
            return BAD
        out: dict[str, object] = {}
        for entry in node.entries:
            place = f"{path}.{entry.name}"
            message = "stands here twice" if entry.name in out else wrong(entry)
            if message is not None:
                problems.add(entry.line, place, message)
                return BAD
            out[entry.name] = item(entry.value, place, problems)
        return BAD if BAD in out.values() else out

    return parse


_FIELD_NAMES = dict.fromkeys(FIELDS)
_field = scalar(str)


def _own_field(text: str) -> str:
    if text not in _FIELD_NAMES:
        raise ValueError(unknown(text, _FIELD_NAMES, "field"))
    return text


_SHAPE = {
    "vendor": Field("vendor", scalar(str), required=True),
    "source": Field("source", listing(scalar(str), at_least=1), required=True),
    "fields": Field("fields", _mapping(listing(_field, at_least=1), _FIELD_NAMES), required=True),
    "values": Field(
        "values", _mapping(_mapping(scalar(str), re.compile(r"[^A-Z]+")), _FIELD_NAMES)
    ),
    "ignore": Field("ignore", listing(scalar(str))),
    "utc": Field("utc", listing(scalar(_own_field))),
    "per_click": Field("per_click", listing(scalar(_own_field))),
}


def _preset(node: Node, path: str, problems: Problems) -> object:
    preset = record(Preset, _SHAPE)(node, path, problems)
    if isinstance(preset, Preset):
        names = [name for given in preset.fields.values() for name in given] + preset.ignore
        twice = sorted({name for name in names if names.count(name) > 1})
        for name in twice:
            problems.add(node.line, path, f"the parameter {name!r} is declared twice")
        for name in sorted({*preset.values, *preset.utc, *preset.per_click} - {*preset.fields}):
            problems.add(node.line, path, f"{name!r} is not among the preset's fields")
    return preset
