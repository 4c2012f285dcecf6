"""The OpenAPI document of the report endpoints, made from the code that answers them.

python -m services.tracking.openapi     writes schemas/openapi/edge.json
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from afflux.runtime.paths import SCHEMAS
from services.tracking.domain.refusal import STATUS
from services.tracking.domain.requests import MAX_BATCH
from services.tracking.preset_file import load_presets
from services.tracking.report_schemas import (
    ADJUSTMENT,
    CONVERSION,
    EXAMPLES,
    ITEM,
    REFUND,
    Schema,
)

FILE = SCHEMAS / "openapi" / "edge.json"
BAD_REQUEST = (
    "body_invalid",
    "body_cut",
    "click_id_forged",
    "click_id_malformed",
    "click_id_unknown_key",
    "field_invalid",
    "field_missing",
    "goal_unknown",
    "pixel_click_missing",
)
"""Reason codes that are answered 400."""
REASONS = sorted({*STATUS, *BAD_REQUEST})
CREDENTIALS: dict[str, Schema] = {
    name: {"type": "string"} for name in ("advertiser", "token", "kid", "ts", "nonce", "sig")
}


def document() -> Schema:
    """Return the document."""
    presets = sorted(load_presets())
    preset: Schema = {
        "name": "preset",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "enum": presets},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "afflux tracking edge",
            "version": "1",
            "description": "How advertisers report conversions. See docs/reports.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"signature": []}],
        "paths": {
            "/postback": {
                "get": _operation("postbackByQuery", _query({"preset": _preset(presets)}, "goal")),
                "post": _operation("postback", _query({}), _form("Conversion")),
            },
            "/postback/{preset}": {
                "get": _operation("presetByQuery", [preset, *_credentials()]),
                "post": _operation("preset", [preset, *_credentials()], _any_form()),
            },
            "/v1/conversions": {"post": _batch("conversions", "Conversion", EXAMPLES)},
            "/v1/adjustments": {"post": _batch("adjustments", "Adjustment", REFUND)},
            "/pixel": {"get": _pixel()},
        },
        "components": {"schemas": _schemas(), "securitySchemes": _security()},
    }


def _preset(names: list[str]) -> Schema:
    return {"type": "string", "enum": names, "description": "Whose parameter names are sent."}


def _query(more: Mapping[str, Schema], required: str = "") -> list[Schema]:
    given = {**CONVERSION, **CREDENTIALS, **more}
    given["items"] = {"type": "string", "description": "The JSON text of the list of items."}
    return [_parameter(name, schema, required) for name, schema in given.items()]


def _parameter(name: str, schema: Schema, required: str = "") -> Schema:
    parameter: Schema = {"name": name, "in": "query", "required": name == required}
    if isinstance(example := {**EXAMPLES, "txn_id": "A-1002"}.get(name), str):
        parameter["example"] = example
    return {**parameter, "schema": schema}


def _credentials() -> list[Schema]:
    return [_parameter(name, schema) for name, schema in CREDENTIALS.items()]


def _operation(name: str, parameters: list[Schema], body: Schema | None = None) -> Schema:
    operation: Schema = {
        "operationId": name,
        "parameters": parameters,
        "responses": {"200": _json("Kept")} | _refusals(),
    }
    return operation if body is None else operation | {"requestBody": body}


def _batch(name: str, item: str, example: dict[str, object]) -> Schema:
    one: Schema = {"$ref": f"#/components/schemas/{item}"}
    many: Schema = {"type": "array", "maxItems": MAX_BATCH, "items": one}
    named: Schema = {"type": "object", "required": [name], "properties": {name: many}}
    schema: Schema = {"anyOf": [one, many, named]}
    body = {"application/json": {"schema": schema, "example": [example]}}
    answers = {
        "200": _json("Kept", "Batch"),
        "207": _json("Batch"),
        **_refusals(),
        "503": _json("Refused", "Batch"),
    }
    return {
        "operationId": name,
        "requestBody": {"required": True, "content": body},
        "responses": answers,
    }


def _pixel() -> Schema:
    names = [name for name in CONVERSION if name not in ("status", "items")]
    picture = {"image/gif": {"schema": {"type": "string", "format": "binary"}}}
    kept, refused = (
        {**picture, "application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        for name in ("Kept", "Refused")
    )
    reason = {"X-Afflux-Reason": {"schema": {"type": "string", "enum": REASONS}}}
    refusals = {
        str(status): {"description": "Refused.", "headers": reason, "content": refused}
        for status in sorted({400, *STATUS.values()})
    }
    return {
        "operationId": "pixel",
        "security": [],
        "parameters": [{"name": name, "in": "query", "schema": CONVERSION[name]} for name in names],
        "responses": {"200": {"description": "Kept.", "content": kept}, **refusals},
    }


def _form(item: str) -> Schema:
    schema = {"schema": {"$ref": f"#/components/schemas/{item}"}}
    return {"content": {"application/json": schema, "application/x-www-form-urlencoded": schema}}


def _any_form() -> Schema:
    schema = {"schema": {"type": "object", "additionalProperties": {"type": "string"}}}
    return {"content": {"application/json": schema, "application/x-www-form-urlencoded": schema}}


def _refusals() -> dict[str, Schema]:
    return {str(status): _json("Refused") for status in sorted({400, *STATUS.values()})}


def _json(*names: str) -> Schema:
    schemas = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    schema: Schema = {"anyOf": schemas} if len(schemas) > 1 else {**schemas[0]}
    return {
        "description": " or ".join(names) + ".",
        "content": {"application/json": {"schema": schema}},
    }


def _schemas() -> dict[str, Schema]:
    key: Schema = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
    count: Schema = {"type": "integer", "minimum": 0}
    kept = {"status": {"enum": ["accepted", "duplicate"]}, "code": {"const": 200}}
    how = {"reason": {"const": "status_changed"}, "sentence": {"type": "string"}}
    refused: dict[str, Schema] = {
        "status": {"const": "refused"},
        "code": {"enum": sorted({400, *STATUS.values()})},
        "reason": {"enum": REASONS},
        "field": {"type": ["string", "null"]},
        "sentence": {"type": "string"},
        "detail": {"type": "string"},
    }
    results: Schema = {
        "type": "array",
        "items": {"anyOf": [{"$ref": f"#/components/schemas/{n}"} for n in ("Kept", "Refused")]},
    }
    batch = dict.fromkeys(("accepted", "duplicate", "refused"), count) | {"results": results}
    return {
        "Conversion": _object(CONVERSION, ["goal"]),
        "Adjustment": _object(ADJUSTMENT, ["goal", "kind"]),
        "Item": _object(ITEM, ["sku"]),
        "Kept": _object({**kept, "conversion_key": key, **how}, [*kept, "conversion_key"]),
        "Refused": _object(
            {**refused, "conversion_key": key, "retry_after": {"type": "integer", "minimum": 1}},
            list(refused),
        ),
        "Batch": _object(batch, list(batch)),
    }


def _object(properties: Mapping[str, object], required: list[str]) -> Schema:
    return {"type": "object", "properties": dict(properties), "required": required}


def _security() -> Schema:
    return {
        "token": {"type": "http", "scheme": "bearer"},
        "signature": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Afflux-Signature",
            "description": "With X-Afflux-Advertiser, -Key, -Timestamp and -Nonce.",
        },
    }


def text() -> str:
    """Return the document as it stands in its file."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def main(path: Path = FILE) -> None:
    """Write the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
