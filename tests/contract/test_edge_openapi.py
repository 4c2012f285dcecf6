"""The OpenAPI document says what the code does."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path

import pytest

from afflux.kernel.reasons import REASONS as DECLARED
from services.tracking import openapi, report_schemas
from services.tracking.domain import adjustments, conversions
from services.tracking.domain.adjustments import build_adjustment
from services.tracking.domain.conversions import build_conversion
from services.tracking.domain.refusal import STATUS, Refusal
from services.tracking.preset_file import load_presets
from tests.tracking_samples import context

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`([\w-]+)`")
TRACKING = Path(openapi.__file__).parent


class Watched(dict[str, object]):
    """A mapping that remembers what was asked of it."""

    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
        self.asked.add(key)
        return super().get(key, default)


def test_the_file_is_what_the_code_makes() -> None:
    assert openapi.FILE.read_text(encoding="utf-8") == openapi.text(), (
        "run python -m services.tracking.openapi"
    )


def test_a_conversion_has_the_fields_that_the_builder_reads() -> None:
    asked: set[str] = set()
    for given in ({}, {"txn_id": "T"}):
        watched = Watched({"goal": "sale", **given})
        build_conversion(watched, context())
        asked |= watched.asked
    assert asked == set(conversions.FIELDS) == set(report_schemas.CONVERSION)


def test_an_adjustment_has_the_fields_that_the_builder_reads() -> None:
    asked: set[str] = set()
    for given in ({}, {"txn_id": "T"}):
        watched = Watched({"goal": "sale", "kind": "approve", **given})
        build_adjustment(watched, context())
        asked |= watched.asked
    assert asked == set(adjustments.FIELDS) == set(report_schemas.ADJUSTMENT)


@pytest.mark.parametrize(
    ("fields", "build", "base"),
    [
        (report_schemas.CONVERSION, build_conversion, {"txn_id": "T", "goal": "sale"}),
        (
            report_schemas.ADJUSTMENT,
            build_adjustment,
            {"txn_id": "T", "goal": "sale", "kind": "refund"},
        ),
    ],
)
def test_a_text_may_be_as_long_as_it_says(fields, build, base) -> None:  # type: ignore[no-untyped-def]
    for name in set(fields) - {"click_id", "conversion_key"}:
        limit = fields[name].get("maxLength")
        if limit is None:
            continue
        assert not isinstance(build({**base, name: "x" * limit}, context()), Refusal), name
        longer = build({**base, name: "x" * (limit + 1)}, context())
        assert isinstance(longer, Refusal) and longer.field == name


def given_reasons() -> Iterator[str]:
    """Yield the reason codes that stand in calls of Refusal and RefusedError."""
    for path in TRACKING.rglob("*.py"):
        if path.name.startswith(("importer", "resub")):
            continue  # they read files and the log, not requests
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if named and node.func.id in {"Refusal", "RefusedError"} and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def test_every_reason_a_report_can_be_refused_with_is_there() -> None:
    given = set(given_reasons())
    assert given <= set(openapi.REASONS), given - set(openapi.REASONS)
    assert set(openapi.REASONS) <= set(DECLARED)


def test_every_operation_has_every_status_it_can_answer_with() -> None:
    statuses = {"200", "400", *map(str, STATUS.values())}
    document = json.loads(openapi.FILE.read_text(encoding="utf-8"))
    for path, operations in document["paths"].items():
        for operation in operations.values():
            more = {"207"} if path.startswith("/v1/") else set()
            assert set(operation["responses"]) == statuses | more, path


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading of docs/reports.md."""
    text = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    lines = text.partition(f"## {heading}\n")[2].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|---"))
    table = takewhile(lambda line: line.startswith("|"), lines[start + 1 :])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_documents_table_of_answers_is_complete() -> None:
    told = {reason: cells[0] for cells in rows("Answers") for reason in NAMED.findall(cells[1])}
    assert told == {reason: str(STATUS.get(reason, 400)) for reason in openapi.REASONS}


def test_the_documents_table_of_presets_is_complete() -> None:
    told = {
        NAMED.findall(cells[0])[0]: set(NAMED.findall(" ".join(cells[1:])))
        for cells in rows("Presets")
    }
    assert told == {
        name: {parameter for names in preset.fields.values() for parameter in names}
        for name, preset in load_presets().items()
    }


def test_the_documents_fields_are_those_of_a_conversion() -> None:
    told = {name for cells in rows("A conversion") for name in NAMED.findall(cells[0])}
    assert told == set(conversions.FIELDS)
