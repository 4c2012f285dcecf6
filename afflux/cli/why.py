"""Why a conversion is whose it is, as a text for people: for operators, and for a partner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape

Told = dict[str, Any]
_READABLE = 11
_SIGNALS = {
    "click_id": "the click id in the report",
    "coupon": "the coupon",
    "customer": "the customer",
    "journey": "the visitor's journey",
    "none": "nothing",
}


def tell_why(told: Told | None, console: Console, language: str = "en") -> None:
    """Print an operator's explanation; None: not decided yet."""
    if told is None:
        console.print("  [yellow]not decided yet[/]")
        return
    _print(console, _operator(told, language))


def tell_partner(trace: Told, console: Console, language: str = "en") -> None:
    """Print a partner's trace."""
    _print(console, _partner(trace, language))


def _print(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True)


def _operator(told: Told, language: str) -> Iterable[str]:
    why = f": {_reason(told['reason'], language)}" if told["reason"] else ""
    yield f"  [bold]Why[/]: version {told['version']}, {told['result']} by {_signal(told)}{why}"
    yield (
        f"    model {_model(told['model'])}, offer {_or_none(told['offer_id'])}, goal "
        f"{escape(told['goal'])}, terms version {told['terms_version']}"
        + (f" as known at {told['terms_known_at']}" if told["terms_known_at"] else "")
        + f", open to late touches until {told['revisable_until']}"
    )
    for touch in told["touches"]:
        flags = f", flags {escape(', '.join(touch['flags']))}" if touch["flags"] else ""
        yield (
            f"    {touch['kind']} {touch['touch_id'][:12]} of partner {touch['partner_id']}, offer "
            f"{touch['offer_id']}, {_span(touch['before_s'])} before"
            f"{_window(touch)}{flags}: {_got(touch, language)}"
        )
    for credit in told["credits"]:
        by = "" if credit["by"] else f" by {_signal(told)}"
        yield f"    partner {credit['partner_id']} has [bold]{_part(credit['share'])}[/]{by}"
    for version in told["versions"][1:]:
        asked = f" asked for by {escape(version['asked_by'])}" if version["asked_by"] else ""
        yield f"    version {version['version']} ({version['recorded_at']}){asked} changed:"
        for change in version["changes"]:
            yield f"      {change['what']}: {_or_none(change['before'])} -> " + _or_none(
                change["after"]
            )
    yield from _models("would have given", told["alternatives"], told["model"]["name"])
    yield from _models("on trial gives", told["shadows"], "")


def _models(says: str, models: list[Told], own: str) -> Iterable[str]:
    for one in models:
        shown = ", ".join(f"partner {c['partner_id']} {_part(c['share'])}" for c in one["credits"])
        if one["model"] != own:
            yield f"    {one['model']} {says}: {shown or 'nobody anything'}"


def _partner(trace: Told, language: str) -> Iterable[str]:
    told = trace["explanation"]
    yield f"[bold]Conversion {told['conversion_key']}[/] for partner {told['partner_id']}"
    share = f"yours is [bold]{told['percent']} %[/]" if told["credited"] else "not yours"
    yield f"  {escape(told['goal'])} at {told['occurred_at']}: {share}" + (
        f", by {_signal({**told, 'coupon': told['order']['coupon']})}" if told["credited"] else ""
    )
    if told["model"]:
        yield f"  model {_model(told['model'])}, terms version {told['terms_version']}"
    for touch in told["touches"]:
        tags = [text for text in (touch["ref_id"], touch["source"], *touch["sub"]) if text]
        yield (
            f"  your {touch['kind']} {touch['touch_id'][:12]} at {touch['occurred_at']}"
            f"{_window(touch)}{escape(' (' + ', '.join(tags) + ')') if tags else ''}: "
            + (f"[bold]{_percent(touch)}[/]" if touch["percent"] else _nothing(touch, language))
        )
    if told["others_took_part"]:
        yield "  other partners took part; what is theirs is not shown"
    if len(told["versions"]) > 1:
        shares = ", then ".join(_percent(one) for one in told["versions"])
        yield f"  your part over time: {shares}"
    for one in told["alternatives"]:
        if told["model"] is None or one["model"] != told["model"]["name"]:
            yield f"  {one['model']} would have given you {_percent(one)}"
    if trace["verdict"]:
        yield f"  verdict: {trace['verdict']}"
    for said in trace["advertiser_said"]:
        yield f"  {said['occurred_at']} {said['kind']} by the advertiser"
    for move in trace["commission"]:
        where = f"{_or_none(move['source'])} -> {_or_none(move['target'])}"
        yield (
            f"  {move['occurred_at']} commission {move['amount']} {move['currency']} {where}: "
            f"{_reason(move['reason'], language)}"
        )


def _signal(told: Told) -> str:
    name: str = told["signal"]
    shown = _SIGNALS.get(name, name)
    if name == "coupon" and told.get("coupon"):
        return f"{shown} {escape(told['coupon'])}"
    if name == "customer" and told["bound_by"]:
        return f"{shown}, bound by conversion {told['bound_by']}"
    if name == "customer" and told.get("reason") in (None, "customer_unbound"):
        return f"{shown}, by a person's word"
    return shown


def _model(model: Told) -> str:
    more = {key: value for key, value in model.items() if key != "name"}
    shown = ", ".join(f"{key} {value}" for key, value in more.items())
    return f"{model['name']} ({escape(shown)})" if shown else str(model["name"])


def _got(touch: Told, language: str) -> str:
    if touch["share"]:
        return f"[bold]{_part(touch['share'])}[/]"
    return _nothing(touch, language)


def _nothing(touch: Told, language: str) -> str:
    why = _reason(touch["reason"], language) if touch["reason"] else "no reason"
    return f"{touch['outcome']}, {why}"


def _window(touch: Told) -> str:
    return "" if touch["window_s"] is None else f", window {_span(touch['window_s'])}"


def _part(part: Told) -> str:
    """Return a part; the fractions of time decay are too long to read."""
    if len(part["fraction"]) > _READABLE:
        return f"{part['percent']} %"
    return f"{part['fraction']} ({part['percent']} %)"


def _percent(one: Told) -> str:
    return f"{one['percent']} %" if one["percent"] else "nothing"


def _reason(reason: Told, language: str) -> str:
    return f"{reason['code']} ({reason[language]})"


def _or_none(value: object) -> str:
    return "-" if value is None else escape(str(value))


def _span(seconds: int) -> str:
    """Return seconds as days, hours, minutes, seconds, the two largest."""
    sign, left, shown = "-" if seconds < 0 else "", abs(seconds), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            shown.append(f"{count}{unit}")
    return sign + ("".join(shown[:2]) or "0s")
