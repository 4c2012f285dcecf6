"""Every way a report comes in, against a real edge: batches, gzip, presets, pixels, bad input."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from afflux.kernel.events import (
    Adjustment,
    AdjustmentKind,
    Authentication,
    Channel,
    PartitionReason,
)
from afflux.kernel.keys import postback_key
from afflux.runtime.supervise.stack import Stack
from services.tracking.domain.pixel import GIF
from services.tracking.preset_file import load_presets
from tests.support.engines import temporary_home
from tests.tracking_arrivals import (
    BAD_BODIES,
    BAD_TARGETS,
    BEARER,
    JSON,
    ZIPPED,
    conversions,
    post,
    raw,
    rejections,
    report,
)
from tests.tracking_samples import SECRET
from tests.tracking_stack import TOKEN, UNLIMITED, publish_catalog, shipped

DOCS = Path(__file__).parents[2] / "docs" / "reports.md"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_home() as home:
        made = Stack(home, ["shipper", "edge"], free_ports=True, env=UNLIMITED)
        with made:
            publish_catalog(made)
            yield made


@pytest.fixture(scope="module")
def web(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.settings.edge_url, timeout=20) as client:
        yield client


def click(web: httpx.Client) -> str:
    answer = web.get("/c/shoes")
    return httpx.URL(answer.headers["location"]).params["cid"]


def test_a_full_batch_may_come_packed(web: httpx.Client) -> None:
    items = [report(f"full-{number}") for number in range(1_000)]
    answer = post(web, items)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1_000)
    assert post(web, items).json()["duplicate"] == 1_000
    more = post(web, [*items, report("one-more")])
    assert (more.status_code, more.json()["reason"]) == (413, "batch_too_large")


def test_nothing_is_refused_with_200(stack: Stack, web: httpx.Client) -> None:
    some = post(web, [report("some-1"), report("some-2", amount="-1"), report("some-3")])
    assert some.status_code == 207
    assert [result["code"] for result in some.json()["results"]] == [200, 400, 200]
    every = post(web, [report("none-1", amount="x"), {"goal": "sale"}])
    assert (every.status_code, every.json()["refused"]) == (207, 2)
    assert post(web, []).status_code == 200
    bodies = [json.loads(kept.body) for kept in rejections(stack) if kept.body.startswith(b"{")]
    assert report("some-2", amount="-1") in bodies and {"goal": "sale"} in bodies


def test_S5_a_body_has_a_bound_packed_and_unpacked(stack: Stack, web: httpx.Client) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    cases = [
        (bomb, ZIPPED, 413, "body_too_large"),
        (b"[" + b" " * (1 << 20) + b"]", JSON, 413, "body_too_large"),
        (bomb[:-9], ZIPPED, 413, "body_too_large"),
        (gzip.compress(b"[]")[:-1], ZIPPED, 400, "body_invalid"),
        (b"[]", ZIPPED, 400, "body_invalid"),
        (b"[]", {**JSON, "content-encoding": "br"}, 415, "encoding_unknown"),
    ]
    for body, headers, code, reason in cases:
        answer = web.post("/v1/conversions", content=body, headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (code, reason)
    assert {reason for *_, reason in cases} <= {kept.reason for kept in rejections(stack)}


def test_a_postback_may_come_packed(web: httpx.Client) -> None:
    form = gzip.compress(f"token={TOKEN}&txn_id=packed&goal=sale".encode())
    kind = "application/x-www-form-urlencoded"
    headers = {"content-encoding": "gzip", "content-type": kind}
    assert web.post("/postback", content=form, headers=headers).json()["status"] == "accepted"


def test_T3_a_signature_is_over_the_bytes_on_the_wire(web: httpx.Client) -> None:
    import time  # noqa: PLC0415

    from services.tracking.domain.signature import compute, message  # noqa: PLC0415

    body = gzip.compress(json.dumps([report("signed-1")]).encode())
    ts, nonce = str(int(time.time())), "nonce-packed-1"
    signed = message("POST", "/v1/conversions", "", ts, nonce, body)
    headers = {
        "content-encoding": "gzip",
        "x-afflux-advertiser": "7",
        "x-afflux-key": "k1",
        "x-afflux-timestamp": ts,
        "x-afflux-nonce": nonce,
        "x-afflux-signature": compute(postback_key(SECRET, 7, "k1"), signed),
    }
    answer = web.post("/v1/conversions", content=body, headers=headers)
    assert answer.json()["accepted"] == 1


def test_conversions_without_a_click_arrive_in_kafka(stack: Stack, web: httpx.Client) -> None:
    items = [
        report("coupon-1", coupon="ANNA10"),
        report("customer-1", customer_id="c-9", new_customer=True),
    ]
    assert post(web, items).status_code == 200
    kept = conversions(stack)
    by_coupon, by_customer = kept["coupon-1"], kept["customer-1"]
    assert (by_coupon.coupon, by_coupon.click_id) == ("ANNA10", None)
    assert by_coupon.partition_reason is PartitionReason.CONVERSION
    assert by_customer.partition_reason is PartitionReason.CUSTOMER
    assert by_customer.new_customer is True
    missing = post(web, [{"goal": "sale", "coupon": "ANNA10"}]).json()["results"][0]
    assert (missing["code"], missing["reason"], missing["field"]) == (
        400,
        "field_missing",
        "txn_id",
    )


def test_every_adjustment_arrives_in_kafka(stack: Stack, web: httpx.Client) -> None:
    post(web, [report("adjusted", items=[{"sku": "a", "quantity": 2, "price": "5"}])])
    items: list[dict[str, object]] = [
        {"txn_id": "adjusted", "goal": "sale", "kind": str(kind)} for kind in AdjustmentKind
    ]
    for item in items:
        if item["kind"] == "amend":
            item["amount"] = "9.00"
        if item["kind"] == "refund":
            item["items"] = [{"sku": "a", "quantity": 1, "price": "5"}]
    answer = web.post("/v1/adjustments", json=items, headers=BEARER)
    assert (answer.status_code, answer.json()["accepted"]) == (200, len(AdjustmentKind))
    sale = conversions(stack)["adjusted"]
    kept = {
        event.kind: event
        for event in shipped(stack.settings)
        if isinstance(event, Adjustment) and event.conversion_key == sale.conversion_key
    }
    assert set(kept) == set(AdjustmentKind)
    assert kept[AdjustmentKind.REFUND].value_minor == 500
    assert kept[AdjustmentKind.AMEND].value_minor == 900


def test_a_preset_is_a_path_or_a_parameter(stack: Stack, web: httpx.Client) -> None:
    given = {
        "token": TOKEN,
        "clickid": click(web),
        "action_id": "affise-1",
        "sum": "7",
        "goal": "sale",
    }
    assert web.get("/postback/affise", params=given).json()["status"] == "accepted"
    for again in (
        web.get("/postback", params={**given, "preset": "affise"}),
        web.post("/postback/affise", data=given),
        web.post("/postback/affise", json=given),
    ):
        assert again.json()["status"] == "duplicate"
    unknown = web.get("/postback/nobody", params=given)
    assert (unknown.status_code, unknown.json()["reason"]) == (404, "preset_unknown")
    assert "preset_unknown" in {kept.reason for kept in rejections(stack)}
    assert conversions(stack)["affise-1"].value_minor == 700


@pytest.mark.parametrize("name", list(load_presets()))
def test_every_preset_is_served(web: httpx.Client, name: str) -> None:
    answer = web.get(f"/postback/{name}", params={"token": TOKEN})
    assert (answer.status_code, answer.json()["field"]) == (400, "goal")


def test_a_pixel_is_a_picture_whatever_it_says(stack: Stack, web: httpx.Client) -> None:
    given = {"click_id": click(web), "goal": "sale", "txn_id": "pixel-1", "amount": "3.00"}
    first, again = web.get("/pixel", params=given), web.post("/pixel", params=given)
    assert [answer.status_code for answer in (first, again)] == [200, 200]
    other = web.get("/pixel", params={**given, "amount": "4.00"})
    without = web.get("/pixel", params={"goal": "sale", "txn_id": "pixel-2", "coupon": "A"})
    told = [(other.status_code, other.headers["x-afflux-reason"])]
    told += [(without.status_code, without.headers["x-afflux-reason"])]
    assert told == [(409, "conflicting_report"), (400, "pixel_click_missing")]
    for answer in (first, again, other, without):
        assert (answer.content, answer.headers["content-type"]) == (GIF, "image/gif")
        assert answer.headers["access-control-allow-origin"] == "*"
    sale = conversions(stack)["pixel-1"]
    assert sale.channel is Channel.PIXEL and sale.authentication is Authentication.NONE
    assert {"pixel_click_missing", "conflicting_report"} <= {r.reason for r in rejections(stack)}


def test_a_pixel_reads_the_cookie_of_its_own_site(web: httpx.Client) -> None:
    cookie = {"cookie": f"afflux_cid={click(web)}"}
    answer = web.get("/pixel", params={"goal": "sale", "txn_id": "pixel-c"}, headers=cookie)
    assert answer.status_code == 200


def test_the_snippet_is_small_and_the_document_is_served(web: httpx.Client) -> None:
    script = web.get("/afflux.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert len(gzip.compress(script.content)) < 2_048
    assert web.get("/openapi.json").json()["openapi"].startswith("3.1")


@pytest.mark.parametrize(("target", "reason"), BAD_TARGETS)
def test_S1_a_bad_query_meets_a_reason_and_is_kept(
    stack: Stack, target: bytes, reason: str
) -> None:
    code, body = raw(stack, b"GET " + target.replace(b"TOKEN", TOKEN.encode()) + b" HTTP/1.1\r\n")
    answer = json.loads(body)
    assert answer["reason"] == reason and answer["code"] == code in (400, 414)
    query = target.partition(b"?")[2].decode().replace("token=TOKEN", "token=***")[:8_192]
    assert (query, reason) in {(kept.query, kept.reason) for kept in rejections(stack)}


@pytest.mark.parametrize(("body", "reason"), BAD_BODIES)
@pytest.mark.parametrize("path", ["/v1/conversions", "/v1/adjustments", "/postback"])
def test_S1_a_bad_body_meets_a_reason(
    web: httpx.Client, path: str, body: bytes, reason: str
) -> None:
    answer = web.post(path, content=body, headers=JSON)
    told = answer.json()
    assert answer.status_code == told["code"] == 400
    assert told["reason"] in {reason, "field_missing"} and told["sentence"] and told["detail"]


def test_S1_what_is_just_shallow_enough_to_be_read_can_be_refused(web: httpx.Client) -> None:
    for depth in range(930, 1_001, 2):
        body = b'[{"goal": ' + b"[" * depth + b"]" * depth + b"}]"
        answer = web.post("/v1/conversions", content=body, headers=JSON)
        assert answer.status_code in (207, 400), depth


@pytest.mark.parametrize(
    "head",
    [
        b"POST /postback HTTP/1.1\r\nContent-Type: \xff\xfe\r\n",
        b"POST /postback HTTP/1.1\r\nAuthorization: Bearer \xff\r\n",
        b"POST /v1/conversions HTTP/1.1\r\nContent-Encoding: \xff\r\nAuthorization: Bearer x\r\n",
        b"POST /v1/conversions HTTP/1.1\r\nX-Afflux-Signature: \xff\r\nX-Afflux-Advertiser: 7\r\n",
        b"GET /pixel HTTP/1.1\r\nCookie: afflux_cid=\xff\r\n",
        b"GET /postback?token=\xff HTTP/1.1\r\n",
        b"GET /postback?a=\x00 HTTP/1.1\r\n",
        b"GET /postback/%ff%00 HTTP/1.1\r\n",
        b"GET /postback/../postback HTTP/1.1\r\n",
    ],
)
def test_S1_bytes_that_are_no_text_meet_no_500(stack: Stack, head: bytes) -> None:
    code, _ = raw(stack, head)
    assert 400 <= code < 500


@pytest.mark.parametrize("path", ["/postback", "/pixel", "/postback/tune", "/v1/conversions"])
def test_another_method_is_told_which_ones_there_are(web: httpx.Client, path: str) -> None:
    answer = web.request("PUT", path)
    assert answer.status_code == 405 and "POST" in answer.headers["allow"]


def test_the_documents_commands_work_as_they_stand(stack: Stack, web: httpx.Client) -> None:
    env = {
        **os.environ,
        "EDGE": stack.settings.edge_url,
        "ADVERTISER": "7",
        "TOKEN": TOKEN,
        "CLICK": click(web),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    blocks = re.findall(r"^```sh\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) >= 5
    for code in blocks:
        bash = ["bash", "-ec", code]
        done = subprocess.run(bash, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (code, done.stderr)
        assert "refused" not in done.stdout.replace('"refused": 0', ""), (code, done.stdout)
        assert "accepted" in done.stdout or "200" in done.stdout, (code, done.stdout)
