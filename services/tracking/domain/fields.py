"""Reading the fields of a report, with limits; what is read makes up the body hash (law I2)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct

from afflux.kernel.events import Item
from afflux.kernel.ids import derive
from afflux.kernel.money import MAX_MINOR, Money, digits, parse_amount
from afflux.kernel.types import Id16, Millis
from services.tracking.domain.instants import parse_order_time
from services.tracking.domain.json_text import parse_json
from services.tracking.domain.refusal import Refusal, RefusedError

C = TypeVar("C", bound=StrEnum)
MAX_ITEMS = 200
MAX_QUANTITY = 1_000_000
_TRUE = frozenset(("1", "true", "yes"))
_FALSE = frozenset(("0", "false", "no"))


class Line(Struct, frozen=True):
    """One line of an order; `priced` says whether the report named its amount."""

    item: Item
    priced: bool


class Fields:
    """The fields of one report.

    Each getter notes the canonical text of what it read, so that two spellings of one report
    (10.0 and 10.00, eur and EUR, a form and JSON) have one body hash, and that authentication
    parameters and unknown ones have no part in it. An empty text counts as absent.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        self._canonical: dict[str, str] = {}

    def body_hash(self, kind: str, without: str | None = None) -> Id16:
        """Return the hash of everything read so far, but for one field."""
        said = sorted(pair for pair in self._canonical.items() if pair[0] != without)
        pairs = [part for pair in said for part in pair]
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
        """Return the currency named, else `default`."""
        text = self._raw("currency", 10)
        if text is None:
            return default
        try:
            digits(text.upper())
        except ValueError as error:
            raise _invalid("currency", str(error)) from None
        return text.upper()

    def money(self, name: str, currency: str) -> Money | None:
        """Return an amount in `currency`, or None."""
        money = self._money(name, currency)
        if money is not None:
            self.note(name, f"{money.minor} {money.currency}")
        return money

    def _money(self, name: str, currency: str) -> Money | None:
        text = self._raw(name, 40)
        if text is None:
            return None
        try:
            return parse_amount(text, currency)
        except ValueError as error:
            wrong = "currency" if "currency code" in str(error) else name
            raise _invalid(wrong, str(error)) from None

    def items(self, currency: str) -> list[Line]:
        """Return the lines of the order: a list, or the JSON text of one."""
        value = self._values.get("items")
        if value is None or value == "":
            return []
        if isinstance(value, str):
            value = parse_json(value.encode("utf-8", "replace"))
            if isinstance(value, Refusal):
                raise _invalid("items", "items is not the JSON text of a list")
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            raise _invalid("items", f"items is a list of at most {MAX_ITEMS}")
        return [self._item(number, line, currency) for number, line in enumerate(value)]

    def _item(self, number: int, values: object, currency: str) -> Line:
        if not isinstance(values, Mapping):
            raise _invalid("items", f"items[{number}] is not an object")
        own = Fields(values)
        try:
            line = own.line(currency)
        except RefusedError as error:
            inner = error.refusal
            name = f"items[{number}].{inner.field}"
            raise RefusedError(inner.reason, inner.detail, name) from None
        self.note(f"items.{number}", own.body_hash("item").hex())
        return line

    def line(self, currency: str) -> Line:
        """Return one line of an order: sku, category, quantity, and its amount or unit price."""
        sku, category = self.required("sku", 128), self.text("category", 128)
        quantity = self.integer("quantity")
        if quantity is not None and not 1 <= quantity <= MAX_QUANTITY:
            raise _invalid("quantity", f"{quantity} is not from 1 to {MAX_QUANTITY}")
        count = 1 if quantity is None else quantity
        money = self._line_money(count, currency)
        item = Item(
            sku=sku, category=category, quantity=count, value_minor=money.minor if money else 0
        )
        return Line(item, money is not None)

    def _line_money(self, quantity: int, currency: str) -> Money | None:
        price, money = self._money("price", currency), self._money("amount", currency)
        if price is not None:
            total = Money(price.minor * quantity, price.currency)
            if money is not None and money != total:
                raise _invalid(
                    "amount", f"{money.text()} is not {quantity} x {price.text()}: send one of both"
                )
            if total.minor > MAX_MINOR:
                raise _invalid("price", f"{total.text()} is above the largest amount accepted")
            money = total
        if money is not None:
            self.note("amount", f"{money.minor} {money.currency}")
        return money

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
