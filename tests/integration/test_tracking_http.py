"""Real HTTP clients, a real Granian, a real Kafka."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from afflux.kernel.events import Click, Conversion, Rejection
from afflux.kernel.keys import postback_key
from afflux.runtime.supervise.services import fetch
from afflux.runtime.supervise.stack import Stack
from services.tracking.domain.signature import compute, message
from tests.support.engines import temporary_home
from tests.tracking_samples import SECRET
from tests.tracking_stack import ENV, TOKEN, publish_catalog, shipped, status, until, wait_drained

README = Path(__file__).parents[2] / "services" / "tracking" / "README.md"
BEARER = {"authorization": f"Bearer {TOKEN}"}
LIMITS = {**ENV, "AFFLUX_JOURNAL_SEGMENT_BYTES": "50000", "AFFLUX_JOURNAL_LIMIT_BYTES": "300000"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_home() as home:
        made = Stack(home, ["shipper", "edge"], free_ports=True, env=LIMITS)
        with made:
            publish_catalog(made)
            yield made


@pytest.fixture(scope="module")
def web(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.settings.edge_url, timeout=10) as client:
        yield client


def report(txn: str, **more: str) -> dict[str, str]:
    base = {"advertiser": "7", "token": TOKEN, "txn_id": txn, "goal": "sale", "amount": "10.00"}
    return {**base, **more}


def test_a_click_and_its_sale_arrive_in_kafka_as_one_journey(
    stack: Stack, web: httpx.Client
) -> None:
    answer = web.get("/c/shoes", params={"sub1": "a&b"})
    assert answer.status_code == 302 and "afflux_v=" in answer.headers["set-cookie"]
    click_id = httpx.URL(answer.headers["location"]).params["cid"]
    sale = web.get("/postback", params=report("journey", click_id=click_id))
    assert sale.json()["status"] == "accepted"
    wait_drained(stack)
    events = shipped(stack.settings)
    conversion = next(e for e in events if isinstance(e, Conversion))
    click = next(e for e in events if isinstance(e, Click) and e.click_id == conversion.click_id)
    assert click.sub == ["a&b"] and click.key == conversion.key == click.visitor_key
    assert conversion.offer_id == click.offer_id == 70


def test_I2_the_same_report_is_200_for_ever_and_another_body_is_409(web: httpx.Client) -> None:
    assert web.get("/postback", params=report("once")).json()["status"] == "accepted"
    for answer in (
        web.get("/postback", params=report("once", amount="10")),
        web.post("/postback", data=report("once")),
        web.post("/postback", json=report("once")),
        web.post("/v1/conversions", json=report("once"), headers=BEARER),
    ):
        assert (answer.status_code, answer.json()["status"]) == (200, "duplicate")
    other = web.get("/postback", params=report("once", amount="11"))
    assert (other.status_code, other.json()["reason"]) == (409, "conflicting_report")


def test_I2_holds_over_a_restart(stack: Stack, web: httpx.Client) -> None:
    assert web.get("/postback", params=report("kept")).status_code == 200
    stack.kill("edge", restart=False)
    stack.start_process("edge")
    until(lambda: status(stack, "edge").get("links") == 5, "the edge is back")
    assert web.get("/postback", params=report("kept")).json()["status"] == "duplicate"
    assert web.get("/postback", params=report("kept", amount="1")).status_code == 409


def test_I2_the_same_new_report_many_times_at_once_is_kept_once(stack: Stack) -> None:
    import asyncio  # noqa: PLC0415

    async def many() -> list[str]:
        async with httpx.AsyncClient(base_url=stack.settings.edge_url, timeout=20) as client:
            answers = await asyncio.gather(
                *(client.get("/postback", params=report("rush")) for _ in range(40))
            )
        return sorted(answer.json()["status"] for answer in answers)

    assert asyncio.run(many()) == ["accepted", *["duplicate"] * 39]


def test_a_batch_has_a_result_for_each_item(web: httpx.Client) -> None:
    items = [report("b1"), {"goal": "sale"}, report("b1"), report("b1", amount="3"), "x"]
    answer = web.post("/v1/conversions", json=items, headers=BEARER)
    results = [(one["status"], one["code"]) for one in answer.json()["results"]]
    assert answer.status_code == 207
    assert results == [
        ("accepted", 200),
        ("refused", 400),
        ("duplicate", 200),
        ("refused", 409),
        ("refused", 400),
    ]


def test_S1_what_is_refused_is_answered_with_its_reason_and_kept(
    stack: Stack, web: httpx.Client
) -> None:
    cases = [
        (web.get("/postback", params=report("r", token="wrong")), 401, "token_wrong"),
        (web.get("/postback", params=report("r", amount="1.234")), 400, "field_invalid"),
        (web.get("/postback", params=report("r", click_id="x")), 400, "click_id_malformed"),
        (web.post("/postback", json=report("r", status="odd")), 400, "field_invalid"),
        (web.post("/postback", data=report("r", status="odd")), 400, "field_invalid"),
        (web.get("/postback", params={"txn_id": "r"}), 401, "authentication_missing"),
        (
            web.post("/v1/conversions", content=b"{", headers=BEARER),
            400,
            "body_invalid",
        ),
    ]
    for answer, code, reason in cases:
        assert (answer.status_code, answer.json()["reason"]) == (code, reason)
        assert answer.json()["sentence"]
    big = web.post("/postback", content=b"x" * 70_000)
    assert big.status_code == 413
    wait_drained(stack)
    kept = [event for event in shipped(stack.settings) if isinstance(event, Rejection)]
    assert {reason for _, _, reason in cases} <= {event.reason for event in kept}
    assert not any(TOKEN in event.query or TOKEN.encode() in event.body for event in kept)


def test_T3_a_signed_report_is_taken_once(web: httpx.Client) -> None:
    ts, nonce = str(int(time.time())), "nonce-http-1"
    query = f"advertiser=7&txn_id=s1&goal=sale&kid=k1&ts={ts}&nonce={nonce}"
    key = postback_key(SECRET, 7, "k1")
    sig = compute(key, message("GET", "/postback", query, ts, nonce, b""))
    assert web.get(f"/postback?{query}&sig={sig}").json()["status"] == "accepted"
    assert web.get(f"/postback?{query}&sig={sig}").json()["reason"] == "nonce_used"
    assert web.get(f"/postback?{query}&sig={'0' * 64}").json()["reason"] == "signature_wrong"


def test_S4_health_and_metrics_are_not_on_the_public_port(stack: Stack, web: httpx.Client) -> None:
    for path in ("/healthz", "/metrics", "/status", "/"):
        assert web.get(path).status_code == 404
    assert fetch(stack.admin_port("edge"), "/healthz")[0] == 200
    assert b"afflux_clicks_total" in fetch(stack.admin_port("edge"), "/metrics")[1]
    assert web.post("/c/shoes").status_code == 405


def test_the_readmes_commands_work_as_they_stand(stack: Stack) -> None:
    env = {
        **os.environ,
        **ENV,
        "EDGE": stack.settings.edge_url,
        "CODE": "shoes",
        "ADVERTISER": "7",
        "TOKEN": TOKEN,
        "KEY": postback_key(SECRET, 7, "k1").decode(),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```", README.read_text(), re.M | re.S)
    shown = ""
    for language, code in blocks:
        command = ["bash", "-ec", code] if language == "sh" else [sys.executable, "-c", code]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (code, done.stderr)
        shown += done.stdout
    assert shown.count('"status": "accepted"') == 7 and "refused" not in shown.replace(
        '"refused": 0', ""
    )
    assert "HTTP/1.1 302" in shown and f"{TOKEN} {env['KEY']}" in shown


def test_T2_a_full_journal_refuses_reports_and_still_redirects(
    stack: Stack, web: httpx.Client
) -> None:
    stack.stop_process("shipper")
    headers = {"user-agent": "x" * 500}
    for _ in range(3_000):
        assert web.get("/c/shoes", headers=headers).status_code == 302
        if status(stack, "edge")["journal_full"]:
            break
    refused = web.get("/postback", params=report("full"))
    assert (refused.status_code, refused.json()["reason"]) == (503, "journal_full")
    assert refused.headers["retry-after"] == "5"
    before = unlogged(stack)
    assert web.get("/c/shoes").status_code == 302
    assert unlogged(stack) == before + 1
    stack.start_process("shipper")
    until(lambda: not status(stack, "edge").get("journal_full"), "there is room again")
    assert web.get("/postback", params=report("full")).json()["status"] == "accepted"


def unlogged(stack: Stack) -> int:
    journaled = status(stack, "edge")["journaled"]
    assert isinstance(journaled, dict)
    count = journaled["unlogged"]
    assert isinstance(count, int)
    return count
