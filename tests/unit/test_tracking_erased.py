"""An erased visitor at the edge: its cookie is nobody's, its click ids earn nothing (law T5)."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.events import Conversion
from afflux.kernel.token import verify
from services.tracking.click_path import ClickPath, Visit
from services.tracking.domain.adjustments import build_adjustment
from services.tracking.domain.authentication import Request
from services.tracking.domain.clicks import COOKIE
from services.tracking.domain.conversions import ReportContext, build_conversion
from services.tracking.domain.erased import Damaged, pack, unpack
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.rejections import build_rejection
from services.tracking.domain.routes import routes_now
from tests.tracking_samples import CLICK_KEYS, NOW, SECRET, catalog, context

WHO = bytes(range(16))


def follow(clicks: ClickPath, cookie: bytes) -> tuple[str | None, bytes, str]:
    """The cookie that is set, the visitor of the click id, and the click id."""
    headers = {"user-agent": "Mozilla/5.0 Chrome/126.0", "cookie": f"{COOKIE}={cookie.hex()}"}
    answer = clicks.answer(Visit("shoes", "", headers, "203.0.113.77:5", False, NOW))
    assert answer.location is not None
    token = answer.location.partition("cid=")[2].partition("&")[0]
    return answer.cookie, verify(token, CLICK_KEYS).visitor_key, token


def path(erased: set[bytes]) -> ClickPath:
    clicks = ClickPath(SECRET, 1, secure_cookie=False)
    clicks.routes = routes_now(catalog(), NOW)
    clicks.forget(erased)
    return clicks


def knowing() -> ReportContext:
    """The context of a report at an edge that knows of the erasure."""
    return msgspec.structs.replace(context(), erased={WHO})


def test_T5_a_click_with_an_erased_cookie_is_a_new_visitors() -> None:
    erased: set[bytes] = set()
    clicks = path(erased)
    assert follow(clicks, WHO)[:2] == (None, WHO)
    erased.add(WHO)  # as the feed does, while the edge runs
    cookie, visitor, _ = follow(clicks, WHO)
    assert visitor != WHO
    assert cookie is not None and cookie.startswith(f"{COOKIE}={visitor.hex()};")
    assert follow(clicks, visitor)[:2] == (None, visitor)


def test_T5_a_view_with_an_erased_cookie_is_a_new_visitors() -> None:
    headers = {"user-agent": "Mozilla/5.0 Chrome/126.0", "cookie": f"{COOKIE}={WHO.hex()}"}
    answer = path({WHO}).answer_view(Visit("shoes", "", headers, "203.0.113.77:5", False, NOW))
    assert answer.payload is not None and WHO not in answer.payload
    assert answer.cookie is not None and WHO.hex() not in answer.cookie


def test_T5_a_conversion_of_an_erased_visitor_is_refused_and_a_refund_is_not() -> None:
    _, _, token = follow(path(set()), WHO)
    sale = {"click_id": token, "goal": "sale", "txn_id": "A-1", "amount": "5"}
    assert isinstance(build_conversion(sale, context()), Conversion)
    refused = build_conversion(sale, knowing())
    assert isinstance(refused, Refusal)
    assert (refused.reason, refused.field, refused.status) == ("visitor_erased", "click_id", 410)
    assert isinstance(
        build_conversion(sale | {"click_id": None, "txn_id": "A-2"}, knowing()),
        Conversion,
    )
    refund = {"click_id": token, "goal": "sale", "txn_id": "A-1", "kind": "refund"}
    assert not isinstance(build_adjustment(refund, knowing()), Refusal)


@pytest.mark.parametrize("item", [None, b'{"click_id": "secret"}'])
def test_T5_the_rejection_of_an_erased_visitors_report_holds_none_of_it(
    item: bytes | None,
) -> None:
    request = Request("POST", "/postback", "click_id=secret", b"click_id=secret", None, {}.get, NOW)
    kept = build_rejection(
        request,
        Refusal("visitor_erased", "the click's visitor was erased", "click_id"),
        event_id=NOW.to_bytes(16, "big"),  # type: ignore[arg-type]
        advertiser_id=7,
        edge_id="edge-t",
        item=item,
    )
    assert (kept.query, kept.body, kept.reason, kept.status) == ("", b"", "visitor_erased", 410)
    assert kept.advertiser_id == 7


@given(st.sets(st.binary(min_size=16, max_size=16), max_size=50))
def test_the_file_of_erased_visitors_gives_back_what_was_written(keys: set[bytes]) -> None:
    data = pack(keys)
    assert unpack(data) == keys
    assert len(data) == 16 + 16 * len(keys)


@given(st.sets(st.binary(min_size=16, max_size=16), min_size=1, max_size=9), st.data())
def test_a_damaged_file_is_noticed(keys: set[bytes], data: st.DataObject) -> None:
    whole = pack(keys)
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    for damaged in (bytes(flipped), whole[:at]):
        with pytest.raises(Damaged):
            unpack(damaged)
