"""The shape of a catalogue file: for every kind its keys, how each is read and shown again."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from msgspec import UNSET, Struct
from msgspec.structs import fields as struct_fields

from afflux.kernel import scalars
from afflux.kernel.catalog import attribution_fields
from afflux.kernel.catalog.attribution_entities import (
    AttributionWeights,
    Coupon,
    CustomerBinding,
    ShadowModel,
)
from afflux.kernel.catalog.entities import (
    Advertiser,
    Approval,
    CommissionRule,
    Entity,
    FraudAction,
    FxRate,
    Goal,
    Landing,
    Link,
    Network,
    Offer,
    OfferGroup,
    Partner,
    State,
)
from afflux.kernel.catalog.postback_fields import postback_fields
from afflux.kernel.catalog.targeting_fields import targeting_fields
from afflux.kernel.catalog.terms_fields import read_terms, terms_text
from afflux.kernel.document import (
    Field,
    listing,
    record,
    scalar,
)

_id = scalar(scalars.number_id)
_label = scalar(scalars.label)
_name = scalar(scalars.name)
_currency = scalar(scalars.currency)
_duration = scalar(scalars.duration)
_days = scalar(scalars.whole(0, 36_500))
_state = Field("status", scalar(scalars.choice(State)))


def _list_of(kind: type[Struct], fields: Mapping[str, Field], *, at_least: int) -> Field:
    def show_items(values: object) -> object:
        return [show(value, fields) for value in values] if isinstance(values, list) else values

    items = listing(record(kind, fields), at_least=at_least)
    return Field(f"{kind.__name__.lower()}s", items, show_items, required=True)


def show(value: Struct, fields: Mapping[str, Field]) -> dict[str, object]:
    """Return what a file would declare for this value: what is not the default, in file order."""
    defaults = {
        each.name: _default(each.default, each.default_factory)
        for each in struct_fields(type(value))
    }
    shown: dict[str, object] = {}
    for name, field in fields.items():
        raw = getattr(value, field.attribute)
        if field.required or raw != defaults[field.attribute]:
            shown[name] = field.show(raw)
    return shown


def _default(value: object, factory: object) -> object:
    return factory() if callable(factory) else (UNSET if value is UNSET else value)


_duration_field = partial(Field, parse=_duration, show=scalars.duration_text)
_holds = {
    "hold": _duration_field("hold_seconds"),
    "hold_days": Field("hold_days", _days),
}
_GOAL = {
    "name": Field("name", _name, required=True),
    "revenue": Field("revenue", read_terms, terms_text, required=True),
    "commission": Field("commission", read_terms, terms_text),
    "approval": Field("approval", scalar(scalars.choice(Approval))),
    **_holds,
    "window": _duration_field("window_s"),
    **attribution_fields.goal_fields(show),
}
_LANDING = {
    "id": Field("id", _id, required=True),
    "url": Field("url", scalar(scalars.url), required=True),
    "weight": Field("weight", scalar(scalars.whole(0, 1_000_000))),
}
_action = scalar(scalars.choice(FraudAction))
_FALLBACKS = {
    "fallback_offer": Field("fallback_offer_id", _id),
    "fallback_url": Field("fallback_url", scalar(scalars.url)),
}


class Shape(Struct, frozen=True):
    """One section of a catalogue file."""

    section: str
    kind: type[Entity]
    fields: dict[str, Field]
    what: str


SHAPES: tuple[Shape, ...] = (
    Shape(
        "network",
        Network,
        {
            "name": Field("name", _label),
            "currency": Field("currency", _currency),
            "time_zone": Field("time_zone", scalar(str)),
            "fallback_url": Field("fallback_url", scalar(scalars.url)),
        },
        "network",
    ),
    Shape(
        "advertisers",
        Advertiser,
        {
            "id": Field("id", _id, required=True),
            "name": Field("name", _label, required=True),
            "currency": Field("currency", _currency),
            "status": _state,
            "hosts": Field("hosts", listing(scalar(scalars.host_pattern))),
            "key_ids": Field("key_ids", listing(scalar(scalars.key_id))),
            "token_generation": Field("token_generation", scalar(scalars.whole(1, 10**9))),
            "allow_token": Field("allow_token", scalar(scalars.flag)),
            "old_token_generations": Field(
                "old_token_generations", listing(scalar(scalars.whole(1, 10**9)))
            ),
            "report_networks": Field("report_networks", listing(scalar(scalars.network))),
            "report_rate": Field("report_rate", scalar(scalars.whole(1, 10**6))),
            "report_burst": Field("report_burst", scalar(scalars.whole(1_000, 10**8))),
            "allow_pixel": Field("allow_pixel", scalar(scalars.flag)),
            **attribution_fields.ADVERTISER_FIELDS,
        },
        "advertiser",
    ),
    Shape(
        "partners",
        Partner,
        {
            "id": Field("id", _id, required=True),
            "name": Field("name", _label, required=True),
            "status": _state,
            "group": Field("group", _name),
            "currency": Field("currency", _currency),
            **postback_fields(show),
        },
        "partner",
    ),
    Shape(
        "offer_groups",
        OfferGroup,
        {"id": Field("id", _name, required=True), **_FALLBACKS},
        "offer group",
    ),
    Shape(
        "offers",
        Offer,
        {
            "id": Field("id", _id, required=True),
            "advertiser": Field("advertiser_id", _id, required=True),
            "name": Field("name", _label, required=True),
            "status": _state,
            "landings": _list_of(Landing, _LANDING, at_least=1),
            "goals": _list_of(Goal, _GOAL, at_least=1),
            "window": _duration_field("click_window_s"),
            **attribution_fields.offer_fields(show),
            **_holds,
            "repeat_click": _duration_field("repeat_click_s"),
            "ctit_floor": _duration_field("ctit_floor_s"),
            "on_short_ctit": Field("on_short_ctit", _action),
            "on_repeated_click": Field("on_repeated_click", _action),
            "on_bot_click": Field("on_bot_click", _action),
            "group": Field("group", _name),
            "time_zone": Field("time_zone", scalar(str)),
            **targeting_fields(show),
            **_FALLBACKS,
            "deep_link_params": Field("deep_link_params", scalar(scalars.url_params)),
        },
        "offer",
    ),
    Shape(
        "links",
        Link,
        {
            "id": Field("id", _id, required=True),
            "code": Field("code", scalar(scalars.code), required=True),
            "partner": Field("partner_id", _id, required=True),
            "offer": Field("offer_id", _id, required=True),
            "status": _state,
            "creative": Field("creative_id", _id),
        },
        "link",
    ),
    Shape(
        "commission_rules",
        CommissionRule,
        {
            "id": Field("id", _name, required=True),
            "terms": Field("terms", read_terms, terms_text, required=True),
            "partner": Field("partner_id", _id),
            "group": Field("group", _name),
            "offer": Field("offer_id", _id),
            "goal": Field("goal", _name),
            "priority": Field("priority", scalar(scalars.whole(-(10**6), 10**6))),
        },
        "commission rule",
    ),
    Shape(
        "fx_rates",
        FxRate,
        {
            "base": Field("base", _currency, required=True),
            "quote": Field("quote", _currency, required=True),
            "rate": Field("rate", scalar(scalars.rate), required=True),
            "source": Field("source", _label, required=True),
        },
        "FX rate",
    ),
    Shape("coupons", Coupon, attribution_fields.COUPON_FIELDS, "coupon"),
    Shape(
        "customer_bindings",
        CustomerBinding,
        attribution_fields.BINDING_FIELDS,
        "customer binding",
    ),
    Shape(
        "attribution_weights",
        AttributionWeights,
        attribution_fields.WEIGHTS_FIELDS,
        "attribution weights",
    ),
    Shape("shadow_models", ShadowModel, attribution_fields.shadow_fields(show), "shadow model"),
)
BY_KIND: dict[str, Shape] = {shape.kind.kind: shape for shape in SHAPES}


def show_entity(entity: Entity) -> dict[str, object]:
    """Return what a file would declare for this entity."""
    return show(entity, BY_KIND[entity.kind].fields)
