"""Law S4: no rejection holds a token or a signature, however it was spelt."""

from __future__ import annotations

import gzip
import json

import pytest

from afflux.kernel.events import Rejection
from afflux.kernel.ids import ulid
from services.tracking.domain.authentication import Request
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.rejections import MAX_BODY, build_rejection
from services.tracking.domain.requests import FORM, JSON
from services.tracking.domain.resubmission import draft
from tests.tracking_samples import NOW

SECRET = "S3CRET-of-an-advertiser"
PLAIN = "text/plain"


def kept(
    query: str = "",
    body: bytes = b"",
    kind: str | None = None,
    path: str = "/postback",
    reason: str = "field_invalid",
) -> Rejection:
    sent = Request("POST" if body else "GET", path, query, body, kind, {}.get, NOW)
    return build_rejection(
        sent,
        Refusal(reason, "no"),
        event_id=ulid(NOW, b"0" * 10),
        advertiser_id=7,
        edge_id="e",
    )


@pytest.mark.parametrize(
    "query",
    [
        f"token={SECRET}&a=1",
        f"%74oken={SECRET}&a=1",
        f"tok%65n={SECRET}&a=1",
        f"+token={SECRET}&a=1",
        f"Token={SECRET}&a=1",
        f"%73%69%67={SECRET}&a=1",
        f"x?token={SECRET}&a=1",
    ],
)
def test_S4_a_name_is_read_as_an_edge_reads_it(query: str) -> None:
    assert SECRET not in kept(query).query and kept(query).query.endswith("a=1")
    for path in ("/postback", "/v1/conversions"):
        for kind in (FORM, JSON, None):
            body = kept(body=query.encode(), kind=kind, path=path).body
            assert SECRET.encode() not in body and body.endswith(b"a=1")


@pytest.mark.parametrize(
    "body",
    [
        f'{{"token": "{SECRET}", "a": 1}}',
        f'{{"\\u0074oken": "{SECRET}", "a": 1}}',
        f'{{"\\u0054OKEN" :\n["{SECRET}"], "a": 1}}',
        f'[{{"a": {{"sig": {{"b": "{SECRET}"}}}}}}]',
        f'{{"token": "\\"{SECRET}"}}',
        f'{{"token": "{SECRET}',
        f"{{'token': '{SECRET}'}}",
        f'{{"token" => "{SECRET}"}}',
        f'{{"url": "https://shop.example/?token={SECRET}"}}',
        f'{{"a": "\\\\", "token": "{SECRET}"}}',
        f'{{"": "1&token={SECRET}"}}',
        f'{{"=1&tok%65n={SECRET}',
    ],
)
@pytest.mark.parametrize("kind", [FORM, None, PLAIN])
def test_S4_json_is_searched_whole_or_broken(body: str, kind: str | None) -> None:
    assert SECRET.encode() not in kept(body=body.encode(), kind=kind).body


def test_S4_json_stays_what_was_sent_but_for_its_secret() -> None:
    body = f'{{"\\u0074oken": "{SECRET}", "amount": 1.50, "url": "/?token={SECRET}&b=\\u00e9"}}'
    hidden = kept(body=body.encode(), kind=JSON).body
    assert SECRET.encode() not in hidden and b"1.50" in hidden
    assert json.loads(hidden) == {"token": "***", "amount": 1.5, "url": "/?token=***&b=\u00e9"}
    untouched = b'{"design": "\\u0430 & b=c", "signature": "x", "n": [1, {"tokens": 2}]}'
    assert kept(body=untouched, kind=JSON).body == untouched


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (f'{{"token": "{SECRET}"}}'.encode("utf-16"), JSON),
        (f'{{"token": "{SECRET}"}}'.encode("utf-16-le"), JSON),
        (gzip.compress(f"token={SECRET}&amount=100".encode(), 0, mtime=0)[:-9], FORM),
        (gzip.compress(f"token={SECRET}&amount=100".encode(), mtime=0)[:-9], FORM),
        (f'--b\r\nname="token"\r\n\r\n{SECRET}\r\n--b'.encode(), "multipart/form-data; boundary=b"),
        (f"<order><token>{SECRET}</token></order>".encode(), "text/xml"),
    ],
)
def test_S4_where_a_secret_cannot_be_seen_nothing_is_kept_or_sent(body: bytes, kind: str) -> None:
    found = kept("txn_id=1", body, kind, reason="body_invalid")
    assert (found.body, found.query) == (b"", "txn_id=1")
    sent = draft(found, {})
    assert isinstance(sent, Refusal) and sent.reason == "rejection_cut"


def test_what_is_no_secret_is_kept_in_any_kind_and_encoding() -> None:
    for body, kind in (
        (b"<order><id>1</id></order>", "text/xml"),
        ("txn_id=\u0437\u0430\u043a\u0430\u0437".encode("cp1251"), FORM),
        (b'{\r\n\t"txn_id": "1"}', JSON),
    ):
        assert kept(body=body, kind=kind).body == body


@pytest.mark.parametrize("reason", ["body_too_large", "body_too_slow", "encoding_unknown"])
def test_a_report_whose_body_was_not_kept_is_not_sent_without_it(reason: str) -> None:
    sent = Request("POST", "/postback", "txn_id=1&goal=sale", b"", None, {}.get, NOW)
    event_id = ulid(NOW, b"0" * 10)
    found = build_rejection(
        sent, Refusal(reason, "no"), event_id=event_id, advertiser_id=None, edge_id="e"
    )
    refused = draft(found, {"amount": "1"})
    assert isinstance(refused, Refusal) and refused.reason == "rejection_cut"


def test_what_was_cut_is_known_to_be_however_much_was_hidden_in_it() -> None:
    body = b"token=" + b"x" * MAX_BODY + b"&amount=100"
    found = kept(body=body, kind=FORM)
    assert len(found.body) == MAX_BODY and found.body.startswith(b"token=***")
    sent = draft(found, {})
    assert isinstance(sent, Refusal) and sent.reason == "rejection_cut"
