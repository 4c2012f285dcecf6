"""Reading the fields of a report, with limits; what is read makes up the body hash (law I2)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from afflux.kernel.events import Item
from afflux.kernel.ids import derive
from afflux.kernel.money import Money, parse_amount
from afflux.kernel.types import Id16, Millis
from services.tracking.domain.instants import parse_order_time
from services.tracking.domain.refusal import RefusedError

C = TypeVar("C", bound=StrEnum)
MAX_ITEMS = 200
MAX_QUANTITY = 1_000_000
_TRUE = frozenset(("1", "true", "yes"))
_FALSE = frozenset(("0", "false", "no"))


class Fields:
    """The fields of one report.

    Each getter notes the canonical text of what it read, so that two spellings of one report
    (10.0 and 10.00, eur and EUR, a form and JSON) have one body hash, and that authentication
    parameters and unknown ones have no part in it. An empty text counts as absent.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        self._canonical: dict[str, str] = {}

    def body_hash(self, kind: str) -> Id16:
        """Return the hash of everything read so far."""
        pairs = [part for pair in sorted(self._canonical.items()) for part in pair]
        return derive(kind, *pairs)

    def note(self, name: str, canonical: str) -> None:
        """Add to the body hash what was derived from fields."""
        self._canonical[name] = canonical

    def text(self, name: str, limit: int) -> str | None:
        """Return a text of at most `limit` characters, or None."""
        value = self._raw(name, limit)
        if value is not None:
            self.note(name, value)
        return value

    def required(self, name: str, limit: int) -> str:
        """Return a text that must be there."""
        value = self.text(name, limit)
        if value is None:
            raise RefusedError("field_missing", f"{name} is required", name)
        return value

    def choice(self, name: str, kind: type[C]) -> C | None:
        """Return one of an enum's values, or None."""
        text = self._raw(name, 40)
        if text is None:
            return None
        try:
            value = kind(text.lower())
        except ValueError:
            known = ", ".join(kind)
            raise _invalid(name, f"{text!r} is none of {known}") from None
        self.note(name, value)
        return value

    def boolean(self, name: str) -> bool | None:
        """Return a truth value, or None."""
        value = self._values.get(name)
        text = str(int(value)) if isinstance(value, bool) else self._raw(name, 10)
        if text is None:
            return None
        lowered = text.lower()
        if lowered not in _TRUE | _FALSE:
            raise _invalid(name, f"{text!r} is not a truth value: use 1 or 0")
        self.note(name, "1" if lowered in _TRUE else "0")
        return lowered in _TRUE

    def integer(self, name: str) -> int | None:
        """Return a positive id, or None."""
        text = self._raw(name, 19)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit()) or int(text) >= 1 << 63:
            raise _invalid(name, f"{text!r} is not an id")
        self.note(name, str(int(text)))
        return int(text)

    def country(self, name: str) -> str | None:
        """Return an ISO 3166 alpha-2 code in capitals, or None."""
        text = self._raw(name, 10)
        if text is None:
            return None
        if len(text) != 2 or not (text.isascii() and text.isalpha()):
            raise _invalid(name, f"{text!r} is not a two-letter country code")
        self.note(name, text.upper())
        return text.upper()

    def order_time(self, name: str, received_at: Millis) -> Millis | None:
        """Return when the order was placed, or None."""
        text = self._raw(name, 40)
        if text is None:
            return None
        try:
            order_at = parse_order_time(text, received_at)
        except ValueError as error:
            raise _invalid(name, str(error)) from None
        self.note(name, str(order_at))
        return order_at

    def currency(self, default: str) -> str:
        """Return the currency named, else `default`; checked by whoever reads an amount."""
        return (self._raw("currency", 10) or default).upper()

    def money(self, name: str, currency: str) -> Money | None:
        """Return an amount in `currency`, or None."""
        text = self._raw(name, 40)
        if text is None:
            return None
        try:
            money = parse_amount(text, currency)
        except ValueError as error:
            wrong = "currency" if "currency code" in str(error) else name
            raise _invalid(wrong, str(error)) from None
        self.note(name, f"{money.minor} {money.currency}")
        return money

    def items(self, currency: str) -> list[Item]:
        """Return the lines of the order."""
        value = self._values.get("items")
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            raise _invalid("items", f"items is a list of at most {MAX_ITEMS}")
        return [self._item(number, line, currency) for number, line in enumerate(value)]

    def _item(self, number: int, line: object, currency: str) -> Item:
        if not isinstance(line, Mapping):
            raise _invalid("items", f"items[{number}] is not an object")
        own = Fields(line)
        try:
            sku, category = own.required("sku", 128), own.text("category", 128)
            quantity, money = own.integer("quantity"), own.money("amount", currency)
            if quantity is not None and quantity > MAX_QUANTITY:
                raise _invalid("quantity", f"{quantity} is too many")
        except RefusedError as error:
            inner = error.refusal
            name = f"items[{number}].{inner.field}"
            raise RefusedError(inner.reason, inner.detail, name) from None
        self.note(f"items.{number}", own.body_hash("item").hex())
        return Item(
            sku=sku,
            category=category,
            quantity=1 if quantity is None else quantity,
            value_minor=money.minor if money else 0,
        )

    def _raw(self, name: str, limit: int) -> str | None:
        value = self._values.get(name)
        match value:
            case None | "":
                return None
            case bool():
                raise _invalid(name, f"{name} is not a text or a number")
            case str():
                text = value.strip()
            case int():
                text = str(value)
            case _:
                raise _invalid(name, f"{name} is not a text or a number")
        if len(text) > limit:
            raise _invalid(name, f"{name} has {len(text)} characters, at most {limit} are allowed")
        if not text.isprintable():
            raise _invalid(name, f"{name} holds control characters")
        return text or None


def _invalid(name: str, detail: str) -> RefusedError:
    return RefusedError("field_invalid", detail, name)
