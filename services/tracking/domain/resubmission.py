"""A kept rejection as a request that can be sent again, after a fix.

The request is the one that was refused, at the same endpoint, without its credentials and with
the changed fields. The network signs it for the advertiser and says, under the signature, when
the report first came in: so the fields, and with them the body hash (law I2), are exactly those
that the advertiser itself would send, and whoever comes second is answered as the duplicate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlencode

from msgspec import Struct

from afflux.kernel.events import Rejection
from afflux.kernel.keys import network_key
from afflux.kernel.types import Millis
from services.tracking.domain.authentication import NETWORK_KID, RECEIVED_AT
from services.tracking.domain.json_text import parse_json
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.rejections import MAX_BODY, MAX_QUERY, MAX_STRANGER_BODY
from services.tracking.domain.requests import FORM, JSON, JSON_PATHS, media_type, parse_params
from services.tracking.domain.signature import compute, message

CREDENTIALS = frozenset(("advertiser", "token", "kid", "ts", "nonce", "sig", RECEIVED_AT))
_BODY_REASONS = ("body_invalid", "body_too_large", "body_too_slow", "encoding_unknown")
Changes = Mapping[str, str]


class Draft(Struct, frozen=True):
    """What is to be sent: unsigned."""

    method: str
    path: str
    query: str
    body: bytes
    content_type: str | None


def draft(rejection: Rejection, changes: Changes) -> Draft | Refusal:
    """Return the request of a rejection with `changes` (an empty text takes a field away).

    A field is changed where it stands, in the query or in the body; a new one is added to the
    body if there is one. In a batch that was refused as a whole, it is changed in every item.
    What a pixel reported goes to the pixel again: it stays a browser's word, and pending.
    """
    query = parse_params(rejection.query)
    if isinstance(query, Refusal):
        return query
    if _is_cut(rejection):
        return Refusal("rejection_cut", f"{len(rejection.body)} bytes of the body were kept")
    own = {name: str(value) for name, value in query.items() if name not in CREDENTIALS}
    if rejection.method != "POST" or not rejection.body:
        text = _query({**own, **changes}, rejection.occurred_at)
        return Draft(rejection.method, rejection.path, text, b"", None)
    in_query = {name: value for name, value in changes.items() if name in own}
    in_body = {name: value for name, value in changes.items() if name not in own}
    is_form = not rejection.path.startswith(JSON_PATHS) and media_type(rejection) == FORM
    body = (_form if is_form else _json)(rejection.body, in_body)
    if isinstance(body, Refusal):
        return body
    text = _query({**own, **in_query}, rejection.occurred_at)
    return Draft("POST", rejection.path, text, body, FORM if is_form else JSON)


def signed_headers(
    request: Draft, secret: bytes, advertiser_id: int, ts: str, nonce: str
) -> dict[str, str]:
    """Return the headers that prove to an edge that the network sends this for the advertiser."""
    signed = message(request.method, request.path, request.query, ts, nonce, request.body)
    headers = {
        "x-afflux-advertiser": str(advertiser_id),
        "x-afflux-key": NETWORK_KID,
        "x-afflux-timestamp": ts,
        "x-afflux-nonce": nonce,
        "x-afflux-signature": compute(network_key(secret, advertiser_id), signed),
    }
    return (
        headers
        if request.content_type is None
        else {**headers, "content-type": request.content_type}
    )


def _query(params: Mapping[str, str], received_at: Millis) -> str:
    kept = {name: value for name, value in params.items() if value}
    return urlencode({**kept, RECEIVED_AT: str(received_at)})


def _form(body: bytes, changes: Changes) -> bytes | Refusal:
    try:
        params = parse_params(body.decode())
    except UnicodeDecodeError:
        return Refusal("body_invalid", "the form is not UTF-8")
    if isinstance(params, Refusal):
        return params
    return urlencode(_changed(params, changes)).encode()


def _json(body: bytes, changes: Changes) -> bytes | Refusal:
    value = parse_json(body)
    if isinstance(value, Refusal):
        return value
    match value:
        case dict():
            lists = {name: items for name, items in value.items() if isinstance(items, list)}
            batch = next((name for name in ("conversions", "adjustments") if name in lists), None)
            if batch is None:
                return json.dumps(_changed(value, changes)).encode()
            return json.dumps(_items(lists[batch], changes)).encode()
        case list():
            return json.dumps(_items(value, changes)).encode()
        case _:
            return Refusal("body_invalid", "the body is neither an object nor a list")


def _items(items: list[object], changes: Changes) -> list[object]:
    return [_changed(item, changes) if isinstance(item, dict) else item for item in items]


def _changed(fields: Mapping[str, object], changes: Changes) -> dict[str, object]:
    own = {name: value for name, value in fields.items() if name not in CREDENTIALS}
    return {name: value for name, value in {**own, **changes}.items() if value not in ("", None)}


def _is_cut(rejection: Rejection) -> bool:
    """A body or query of exactly the limit is taken for a cut one: it cannot be told.

    Of a body that could not be read nothing may be left.
    """
    if rejection.method == "POST" and not rejection.body and rejection.reason in _BODY_REASONS:
        return True
    most = MAX_STRANGER_BODY if rejection.advertiser_id is None else MAX_BODY
    return len(rejection.body) >= most or len(rejection.query) >= MAX_QUERY
