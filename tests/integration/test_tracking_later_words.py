"""Later words on a conversion, over HTTP: a second status, an adjustment by its click alone."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from afflux.kernel.events import Adjustment, Conversion
from afflux.runtime.supervise.stack import Stack
from services.tracking.domain.conversions import build_conversion
from services.tracking.domain.entries import ConversionEntry
from services.tracking.index import ReportIndex, mark_of
from tests.support.engines import temporary_home
from tests.tracking_samples import context
from tests.tracking_stack import TOKEN, UNLIMITED, publish_catalog, shipped, wait_drained

OLD = {"txn_id": "old-1", "goal": "sale"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_home() as home:
        made = Stack(home, ["shipper"], free_ports=True, env=UNLIMITED)
        with made:
            keep_an_old_report(made)
            made.add("edge")
            publish_catalog(made)
            yield made


def keep_an_old_report(stack: Stack) -> None:
    """Put a report into the index as it was written before there were stems."""
    event = build_conversion({**OLD, "status": "pending"}, context())
    assert isinstance(event, Conversion)
    index = ReportIndex(stack.settings.home / "index" / stack.settings.edge_id)
    index.add([mark_of(ConversionEntry(event))])
    index.close()


@pytest.fixture(scope="module")
def web(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.settings.edge_url, timeout=10) as client:
        yield client


def told(answer: httpx.Response) -> tuple[int, str, str | None]:
    said = answer.json()
    assert said["code"] == answer.status_code
    return answer.status_code, said["status"], said.get("reason")


def post(web: httpx.Client, path: str = "/postback", **fields: str) -> tuple[int, str, str | None]:
    base = {"advertiser": "7", "token": TOKEN, "goal": "sale"}
    return told(web.get(path, params=base | fields))


def adjust(web: httpx.Client, **fields: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {TOKEN}"}
    return web.post("/v1/adjustments", json={"goal": "sale"} | fields, headers=headers)


def click(web: httpx.Client) -> str:
    return parse_qs(urlsplit(web.get("/c/shoes").headers["location"]).query)["cid"][0]


ACCEPTED, DUPLICATE = (200, "accepted", None), (200, "duplicate", None)
CHANGED, REPEATED = (200, "accepted", "status_changed"), (200, "duplicate", "status_changed")
BACKWARDS = (409, "refused", "status_backwards")


def test_I2_a_second_status_is_an_adjustment_taken_once(stack: Stack, web: httpx.Client) -> None:
    def say(status: str, **more: str) -> tuple[int, str, str | None]:
        return post(web, txn_id="s-1", amount="5.00", status=status, **more)

    assert say("pending") == ACCEPTED
    assert say("approved") == CHANGED
    assert say("approved") == REPEATED
    assert say("pending") == DUPLICATE, "the first report again"
    assert say("approved", coupon="X") == (409, "refused", "conflicting_report")
    assert say("rejected") == CHANGED
    assert say("rejected") == REPEATED
    assert say("approved") == REPEATED, "a word that was taken"
    wait_drained(stack)
    events = shipped(stack.settings)
    (kept,) = [e for e in events if isinstance(e, Conversion) and e.transaction_id == "s-1"]
    later = [e for e in events if isinstance(e, Adjustment) and e.transaction_id == "s-1"]
    assert [(one.kind, one.adjustment_id) for one in later] == [
        ("approve", "status:approved"),
        ("reject", "status:rejected"),
    ]
    assert {one.conversion_key for one in later} == {kept.conversion_key}
    assert kept.status == "pending"


def test_I2_a_status_does_not_go_back(web: httpx.Client) -> None:
    assert post(web, txn_id="s-2", status="approved") == ACCEPTED
    assert post(web, txn_id="s-2", status="pending") == BACKWARDS
    assert post(web, txn_id="s-2") == DUPLICATE, "approved by default"
    assert post(web, txn_id="s-3", status="rejected") == ACCEPTED
    assert post(web, txn_id="s-3", status="approved") == BACKWARDS
    assert post(web, **OLD, status="approved") == (409, "refused", "conflicting_report")


def test_I2_a_batch_and_a_vendors_postback_change_the_status_too(web: httpx.Client) -> None:
    keitaro = {"subid": click(web), "tid": "2", "payout": "5"}
    assert post(web, "/postback/keitaro", **keitaro, status="lead") == ACCEPTED
    assert post(web, "/postback/keitaro", **keitaro, status="sale") == CHANGED
    items = [{"txn_id": "s-4", "goal": "sale", "status": word} for word in ("pending", "approved")]
    headers = {"authorization": f"Bearer {TOKEN}"}
    both = web.post("/v1/conversions", json=items, headers=headers)
    assert both.status_code == 200, both.text
    assert [told_one.get("reason") for told_one in both.json()["results"]] == [
        None,
        "status_changed",
    ]


def test_an_adjustment_by_click_alone_finds_its_only_conversion(web: httpx.Client) -> None:
    click_id = click(web)
    sold = {"click_id": click_id, "token": TOKEN, "advertiser": "7"}
    first = web.get("/postback", params={**sold, "txn_id": "c-1", "goal": "sale"}).json()
    other_goal = web.get("/postback", params={**sold, "txn_id": "c-1", "goal": "lead"}).json()
    found = adjust(web, click_id=click_id, kind="reject", reason="returned")
    assert found.json()["conversion_key"] == first["conversion_key"] != other_goal["conversion_key"]
    again = adjust(web, click_id=click_id, kind="reject", reason="returned")
    assert told(again) == DUPLICATE
    assert post(web, txn_id="c-2", click_id=click_id) == ACCEPTED
    several = adjust(web, click_id=click_id, kind="reject")
    assert told(several) == (409, "refused", "conversion_ambiguous")
    assert several.json()["field"] == "click_id"
    by_order = adjust(web, click_id=click_id, txn_id="c-2", kind="reject")
    assert told(by_order) == ACCEPTED


def test_an_adjustment_by_click_alone_may_come_before_and_prefers_what_has_no_order(
    web: httpx.Client,
) -> None:
    click_id = click(web)
    early = adjust(web, click_id=click_id, kind="approve")
    assert told(early) == ACCEPTED
    params = {"click_id": click_id, "token": TOKEN, "advertiser": "7", "goal": "sale"}
    plain = web.get("/postback", params=params).json()
    assert plain["conversion_key"] == early.json()["conversion_key"]
    assert post(web, txn_id="c-3", click_id=click_id) == ACCEPTED
    later = adjust(web, click_id=click_id, kind="reject")
    assert later.json()["conversion_key"] == plain["conversion_key"]


def test_both_are_remembered_over_a_crash(stack: Stack, web: httpx.Client) -> None:
    click_id = click(web)
    assert post(web, txn_id="k-1", click_id=click_id, status="pending") == ACCEPTED
    stack.kill("edge")
    stack.wait_ready("edge")
    assert post(web, txn_id="k-1", click_id=click_id, status="approved") == CHANGED
    assert told(adjust(web, click_id=click_id, kind="refund")) == ACCEPTED
    assert post(web, txn_id="k-2", click_id=click_id) == ACCEPTED
    assert told(adjust(web, click_id=click_id, kind="chargeback"))[2] == "conversion_ambiguous"
