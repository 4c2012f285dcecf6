"""How a catalogue file spells attribution: `model: linear`, `lifetime: {months: 12}`, coupons."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from afflux.kernel import scalars
from afflux.kernel.catalog.attribution_terms import (
    MODEL_NAMES,
    WEIGHTED_MODELS,
    Lifetime,
    ModelTerms,
    PartnerWindow,
    SignalOrder,
    normal_code,
)
from afflux.kernel.document import (
    BAD,
    Field,
    Node,
    Problems,
    Table,
    Text,
    build,
    listing,
    read_fields,
    record,
    scalar,
)

Show = Callable[[Struct, Mapping[str, Field]], object]
_COUPON = re.compile(r"[^\s\x00-\x1f:]{1,64}")
_CUSTOMER = re.compile(r"[0-9a-f]{32}")
_DECIMALS = 18


def coupon_code(text: str) -> str:
    """Read a coupon's code: it is compared, and shown, in upper case."""
    code = normal_code(text)
    if _COUPON.fullmatch(code) is None or not code.isprintable():
        raise ValueError(f"{text[:70]!r} is no coupon: 1 to 64 characters, no spaces, no ':'")
    return code


def customer(text: str) -> str:
    """Read a customer key: 32 hex digits."""
    if _CUSTOMER.fullmatch(text.lower()) is None:
        raise ValueError(f"{text[:40]!r} is not a customer key of 32 hex digits")
    return text.lower()


def decimal_text(text: str) -> str:
    """Read a number from 0 to a million with at most 18 decimals; returns its shortest text."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text[:40]!r} is not a decimal number") from None
    exponent = value.as_tuple().exponent
    if not value.is_finite() or not 0 <= value <= 10**6:
        raise ValueError(f"{text[:40]!r} is not a number from 0 to a million")
    if isinstance(exponent, int) and -exponent > _DECIMALS:
        raise ValueError(f"{text[:40]!r} has more than {_DECIMALS} decimals")
    return format(value.normalize(), "f")


_duration_field = partial(
    Field, parse=scalar(scalars.duration), show=scalars.duration_text, required=False
)
_id = scalar(scalars.number_id)
_name = scalar(scalars.name)
_MODEL = {
    "name": Field("name", scalar(scalars.one_of(*MODEL_NAMES)), required=True),
    "half_life": _duration_field("half_life_s"),
    "first": Field("first", scalar(decimal_text)),
    "last": Field("last", scalar(decimal_text)),
    "weights": Field("weights", _name),
}
_PARTNER_WINDOW = {
    "partner": Field("partner_id", _id, required=True),
    "window": _duration_field("click_window_s"),
    "view_window": _duration_field("view_window_s"),
}
_LIFETIME = {
    "months": Field("months", scalar(scalars.whole(1, 1_200))),
    "payments": Field("payments", scalar(scalars.whole(1, 10**6))),
    "for_ever": Field("for_ever", scalar(scalars.flag)),
}


def read_model(node: Node, path: str, problems: Problems) -> object:
    """Read a model: its name, or {name, half_life, first, last, weights}."""
    if isinstance(node, Text):
        return scalar(scalars.one_of(*MODEL_NAMES))(node, path, problems)
    return record(ModelTerms, _MODEL)(node, path, problems)


def read_lifetime(node: Node, path: str, problems: Problems) -> object:
    """Read {months: N}, {payments: N}, both (what ends first counts), or {for_ever: true}."""
    values = read_fields(node, path, problems, _LIFETIME)
    if values is None:
        return BAD
    for_ever = values.pop("for_ever", None)
    if for_ever is False or bool(for_ever) == bool(values):
        problems.add(node.line, path, "say months: N, payments: N, both, or for_ever: true")
        return BAD
    return build(Lifetime, values, node.line, path, problems)


def lifetime_text(value: object) -> object:
    """Return a lifetime as a file would declare it."""
    if not isinstance(value, Lifetime):
        return None
    shown = {"months": value.months, "payments": value.payments}
    return {key: n for key, n in shown.items() if n is not None} or {"for_ever": True}


def read_weights(node: Node, path: str, problems: Problems) -> object:
    """Read a mapping of partner ids to weights."""
    if not isinstance(node, Table):
        problems.add(node.line, path, "a mapping of partner ids to weights is wanted")
        return BAD
    weights: dict[str, object] = {}
    for entry in node.entries:
        place = f"{path}.{entry.name}"
        partner = scalar(scalars.number_id)(Text(entry.line, entry.name), place, problems)
        if entry.name in weights:
            problems.add(entry.line, place, "stands here twice")
        weights[entry.name] = (
            BAD if partner is BAD else scalar(decimal_text)(entry.value, place, problems)
        )
    if not weights:
        problems.add(node.line, path, "at least one weight is needed")
    return BAD if BAD in weights.values() or not weights else weights


def _read_terms(node: Node, path: str, problems: Problems) -> object:
    """Read a model like `read_model`, always with its parameters."""
    model = read_model(node, path, problems)
    return ModelTerms(name=model) if isinstance(model, str) else model


def model_field(show: Show) -> Field:
    """Return the field of a model; `show` writes a struct as a file would."""

    def shown(value: object) -> object:
        return show(value, _MODEL) if isinstance(value, ModelTerms) else value

    return Field("model", read_model, shown)


def goal_fields(show: Show) -> dict[str, Field]:
    """Return the fields of a goal that are about attribution."""
    return {"view_window": _duration_field("view_window_s"), "model": model_field(show)}


def offer_fields(show: Show) -> dict[str, Field]:
    """Return the fields of an offer that are about attribution, beside its click window."""

    def windows(values: object) -> object:
        return [show(each, _PARTNER_WINDOW) for each in values] if isinstance(values, list) else ()

    return {
        "model": model_field(show),
        "view_window": _duration_field("view_window_s"),
        "partner_windows": Field(
            "partner_windows", listing(record(PartnerWindow, _PARTNER_WINDOW)), windows
        ),
        "lifetime": Field("lifetime", read_lifetime, lifetime_text),
    }


ADVERTISER_FIELDS = {"signals": Field("signals", scalar(scalars.choice(SignalOrder)))}
COUPON_FIELDS = {
    "advertiser": Field("advertiser_id", _id, required=True),
    "code": Field("code", scalar(coupon_code), required=True),
    "partner": Field("partner_id", _id, required=True),
    "offer": Field("offer_id", _id),
}
BINDING_FIELDS = {
    "advertiser": Field("advertiser_id", _id, required=True),
    "customer": Field("customer", scalar(customer), required=True),
    "partner": Field("partner_id", _id),
    "offer": Field("offer_id", _id),
}
WEIGHTS_FIELDS = {
    "id": Field("id", _name, required=True),
    "model": Field("model", scalar(scalars.one_of(*WEIGHTED_MODELS)), required=True),
    "weights": Field("weights", read_weights, required=True),
}


def shadow_fields(show: Show) -> dict[str, Field]:
    """Return the fields of a shadow model."""
    return {
        "offer": Field("offer_id", _id, required=True),
        "model": replace(model_field(show), parse=_read_terms, required=True),
        "goal": Field("goal", _name),
    }
