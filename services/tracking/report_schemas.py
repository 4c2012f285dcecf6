"""What a report's fields look like in JSON: for the OpenAPI document."""

from __future__ import annotations

from afflux.kernel.events import AdjustmentKind, Status
from afflux.kernel.token import MAX_LENGTH
from services.tracking.domain import conversions
from services.tracking.domain.fields import MAX_ITEMS, MAX_QUANTITY

Schema = dict[str, object]
_AMOUNT: Schema = {
    "description": "A decimal with at most the currency's digits, from 0 to 10^12 minor units.",
    "anyOf": [
        {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,4})?$"},
        {"type": "number", "minimum": 0},
    ],
}
_INTEGER: Schema = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]{1,18}$"}]
}


def _text(limit: int, description: str) -> Schema:
    return {"type": "string", "maxLength": limit, "description": description}


def _choice(values: type[Status] | type[AdjustmentKind], description: str) -> Schema:
    return {"type": "string", "enum": [str(value) for value in values], "description": description}


_CURRENCY: Schema = {
    "type": "string",
    "pattern": "^[A-Za-z]{3}$",
    "description": "ISO 4217; by default the advertiser's.",
}
_TIME: Schema = {
    "anyOf": [{"type": "string", "maxLength": 40}, {"type": "integer"}],
    "description": "Epoch seconds or milliseconds, or ISO 8601 with a zone; at most a day ahead.",
}
_ITEMS: Schema = {
    "type": "array",
    "maxItems": MAX_ITEMS,
    "items": {"$ref": "#/components/schemas/Item"},
}
ITEM: dict[str, Schema] = {
    "sku": {**_text(128, "The article."), "minLength": 1},
    "category": _text(128, "What it is sold under."),
    "quantity": {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": MAX_QUANTITY},
            {"type": "string", "pattern": "^[1-9][0-9]{0,5}$"},
        ]
    },
    "price": {**_AMOUNT, "description": "Of one unit."},
    "amount": {**_AMOUNT, "description": "Of the line; with a price it must be quantity x price."},
}
CONVERSION: dict[str, Schema] = {
    "click_id": _text(MAX_LENGTH, "What {click_id} put into the landing URL."),
    "txn_id": _text(conversions.TXN_LIMIT, "The order; or else click_id is required."),
    "goal": {**_text(conversions.GOAL_LIMIT, "One of the offer's goals."), "minLength": 1},
    "amount": _AMOUNT,
    "currency": _CURRENCY,
    "status": _choice(Status, "By default pending where the advertiser approves the goal."),
    "order_time": _TIME,
    "customer_id": _text(256, "Kept as a keyed hash only."),
    "coupon": _text(64, "The code that was used."),
    "new_customer": {"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["1", "0"]}]},
    "country": {"type": "string", "pattern": "^[A-Za-z]{2}$", "description": "ISO 3166 alpha-2."},
    "offer_id": _INTEGER,
    "items": _ITEMS,
}
ADJUSTMENT: dict[str, Schema] = {
    "txn_id": CONVERSION["txn_id"],
    "click_id": CONVERSION["click_id"],
    "conversion_key": _text(32, "In hex, as the answer to the conversion named it."),
    "goal": CONVERSION["goal"],
    "kind": _choice(AdjustmentKind, "What happened to the conversion."),
    "amount": {
        **_AMOUNT,
        "description": "Of a refund or chargeback: what is given back, by default the sum of the "
        "items or all of it. Of amend: the new order value.",
    },
    "currency": _CURRENCY,
    "items": _ITEMS,
    "reason": _text(500, "For people."),
    "adjustment_id": _text(128, "Tells two equal adjustments apart."),
    "order_time": {**_TIME, "description": "When it happened."},
}
EXAMPLES: dict[str, object] = {
    "txn_id": "A-1001",
    "goal": "sale",
    "amount": "49.90",
    "currency": "EUR",
    "order_time": "2026-05-01T10:00:00Z",
    "customer_id": "c-17",
    "coupon": "SPRING",
    "new_customer": "1",
    "country": "DE",
    "items": [{"sku": "shoe-42", "category": "shoes", "quantity": 2, "price": "24.95"}],
}
REFUND: dict[str, object] = {"txn_id": "A-1001", "goal": "sale", "kind": "refund", "amount": "9.90"}
