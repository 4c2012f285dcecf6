"""Every kind of answer of the edge, against a real one: what it says, and what is kept of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from msgspec import Struct

from afflux.kernel.catalog import Advertiser, State
from afflux.kernel.events import Conversion, Rejection
from afflux.kernel.ids import conversion_key
from afflux.kernel.keys import postback_key, postback_token
from afflux.kernel.types import AdvertiserId
from afflux.runtime.supervise.stack import Stack
from services.tracking.domain.signature import compute, message
from tests.support.engines import temporary_home
from tests.tracking_samples import SECRET, changes
from tests.tracking_stack import ENV, TOKEN, publish_catalog, shipped, status, until, wait_drained

BOUND = Advertiser(id=9, name="Bound", report_networks=["203.0.113.0/24", "2001:db8::/32"])
SLOW = Advertiser(id=10, name="Slow", report_rate=1, report_burst=1_000)
PAUSED = Advertiser(id=11, name="Paused", status=State.PAUSED)
ENVIRONMENT = {
    **ENV,
    "AFFLUX_EDGE_TRUSTED_PROXIES": "127.0.0.0/8",
    "AFFLUX_EDGE_FAILURE_RATE": "1",
    "AFFLUX_EDGE_FAILURE_BURST": "5",
    "AFFLUX_EDGE_ADDRESS_RATE": "1",
    "AFFLUX_EDGE_ADDRESS_BURST": "40",
    "AFFLUX_JOURNAL_SEGMENT_BYTES": "50000",
    "AFFLUX_JOURNAL_LIMIT_BYTES": "600000",
}


class Case(Struct, frozen=True):
    """A request that comes from `address`, and what it is answered."""

    name: str
    code: int
    status: str
    reason: str | None = None
    field: str | None = None
    method: str = "GET"
    path: str = "/postback"
    params: Mapping[str, str] = {}
    json: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = {}
    address: str = "198.51.100.1"


def report(txn: str, advertiser: int = 7, **more: str) -> dict[str, str]:
    token = postback_token(SECRET, advertiser, 1)
    base = {"advertiser": str(advertiser), "token": token, "txn_id": txn, "goal": "sale"}
    return {**base, **more}


def signed(nonce: str, *, kid: str = "k1", off: int = 0) -> dict[str, str]:
    ts = str(int(time.time()) + off)
    query = f"advertiser=7&txn_id={nonce}&goal=sale&kid={kid}&ts={ts}&nonce={nonce}"
    key = postback_key(SECRET, 7, kid)
    sig = compute(key, message("GET", "/postback", query, ts, nonce, b""))
    return dict(pair.split("=") for pair in f"{query}&sig={sig}".split("&"))  # type: ignore[misc]


def reject(goal: str) -> dict[str, str]:
    key = conversion_key(AdvertiserId(7), "sale", "a", None)
    return {"conversion_key": key.hex(), "goal": goal, "kind": "reject"}


ONCE = signed("nonce-answers-1")
CASES = [
    Case("a report", 200, "accepted", params=report("a")),
    Case("the same again", 200, "duplicate", params=report("a")),
    Case("the same, written otherwise", 200, "duplicate", method="POST", json=report("a")),
    Case("its key with another body", 409, "refused", "conflicting_report",
         params=report("a", amount="3")),
    Case("no goal", 400, "refused", "field_missing", "goal", params=report("b", goal="")),
    Case("an amount that is none", 400, "refused", "field_invalid", "amount",
         params=report("b", amount="1.234")),
    Case("a forged click id", 400, "refused", "click_id_malformed", "click_id",
         params=report("b", click_id="x")),
    Case("an adjustment of another goal than its conversion's", 400, "refused", "field_invalid",
         "goal", method="POST", path="/v1/adjustments", json=reject(goal="nonsense"),
         headers={"authorization": f"Bearer {TOKEN}"}),
    Case("an adjustment of another's conversion", 403, "refused", "conversion_foreign",
         "conversion_key", method="POST", path="/v1/adjustments", json=reject(goal="sale"),
         headers={"authorization": f"Bearer {postback_token(SECRET, 9, 1)}"},
         address="203.0.113.7"),
    Case("no JSON", 400, "refused", "body_invalid", method="POST", path="/v1/conversions",
         content=b"{", headers={"authorization": f"Bearer {TOKEN}"}),
    Case("no credentials", 401, "refused", "authentication_missing", params={"goal": "sale"},
         address="198.51.100.2"),
    Case("a wrong token", 401, "refused", "token_wrong", "token",
         params=report("b", token="wrong"), address="198.51.100.2"),
    Case("an unknown advertiser", 401, "refused", "advertiser_unknown", "advertiser",
         params=report("b", 99), address="198.51.100.2"),
    Case("signed", 200, "accepted", params=ONCE),
    Case("replayed", 401, "refused", "nonce_used", "nonce", params=ONCE, address="198.51.100.3"),
    Case("signed otherwise", 401, "refused", "signature_wrong", "sig",
         params={**signed("nonce-answers-2"), "sig": "0" * 64}, address="198.51.100.3"),
    Case("signed too long ago", 401, "refused", "timestamp_outside", "ts",
         params=signed("nonce-answers-3", off=-400), address="198.51.100.3"),
    Case("with a key that is none", 401, "refused", "key_unknown", "kid",
         params=signed("nonce-answers-4", kid="k9"), address="198.51.100.4"),
    Case("a token where a signature is wanted", 403, "refused", "token_not_allowed", "token",
         params=report("b", 8), address="198.51.100.4"),
    Case("a paused advertiser", 403, "refused", "advertiser_paused", params=report("b", 11),
         address="198.51.100.4"),
    Case("from elsewhere", 403, "refused", "address_not_allowed", params=report("n", 9),
         address="198.51.100.4"),
    Case("from elsewhere, saying otherwise", 403, "refused", "address_not_allowed",
         params=report("n", 9), address="203.0.113.7, 198.51.100.5"),
    Case("from the network", 200, "accepted", params=report("n", 9), address="203.0.113.7"),
    Case("from the network, behind two of our proxies", 200, "duplicate", params=report("n", 9),
         address="203.0.113.7, 127.0.0.9"),
    Case("from the IPv6 network", 200, "duplicate", params=report("n", 9), address="2001:db8::1"),
    Case("a body too large", 413, "refused", "body_too_large", method="POST",
         content=b"x" * 70_000),
    Case("a batch too large", 413, "refused", "batch_too_large", method="POST",
         path="/v1/conversions", json=[{}] * 1_001, headers={"authorization": f"Bearer {TOKEN}"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_home() as home:
        made = Stack(home, ["shipper", "edge"], free_ports=True, env=ENVIRONMENT)
        with made:
            publish_catalog(made, changes([BOUND, SLOW, PAUSED]))
            yield made


@pytest.fixture(scope="module")
def web(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.settings.edge_url, timeout=10) as client:
        yield client


def send(web: httpx.Client, case: Case) -> httpx.Response:
    return web.request(
        case.method,
        case.path,
        params=case.params or None,
        json=case.json,
        content=case.content,
        headers={**case.headers, "x-forwarded-for": case.address},
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_S1_each_answer_has_its_code_its_reason_and_its_field(
    web: httpx.Client, case: Case
) -> None:
    answer = send(web, case)
    told = answer.json()
    assert (answer.status_code, told["status"]) == (case.code, case.status), told
    assert (told.get("reason"), told.get("field")) == (case.reason, case.field)
    assert told["code"] == case.code
    if case.status == "refused":
        assert told["sentence"] and told["detail"]


def test_S1_what_was_refused_is_kept_once_with_its_reason(stack: Stack) -> None:
    wait_drained(stack)
    kept = [event for event in shipped(stack.settings) if isinstance(event, Rejection)]
    wanted = [case.reason for case in CASES if case.status == "refused"]
    unread = "body_too_large"  # of that nothing was read, by whom it is cannot be told
    assert sorted(event.reason for event in kept if event.reason != unread) == sorted(
        str(reason) for reason in wanted if reason != unread
    )
    by_reason = {event.reason: event for event in kept}
    assert by_reason["address_not_allowed"].advertiser_id == 9
    assert by_reason["token_wrong"].advertiser_id is None
    assert by_reason["conflicting_report"].advertiser_id == 7


def test_S5_failures_from_one_address_are_limited_and_lock_nobody_out(
    stack: Stack, web: httpx.Client
) -> None:
    here = {"x-forwarded-for": "192.0.2.66"}
    wrong = [web.get("/postback", params=report("f", token="x"), headers=here) for _ in range(8)]
    assert [answer.status_code for answer in wrong] == [401] * 5 + [429] * 3
    assert wrong[-1].json()["reason"] == "rate_limited"
    assert 0 < int(wrong[-1].headers["retry-after"]) <= 60
    assert web.get("/postback", params=report("f"), headers=here).json()["status"] == "accepted"
    wait_drained(stack)
    events = shipped(stack.settings)
    assert not [e for e in events if isinstance(e, Rejection) and e.reason == "rate_limited"]
    assert [e for e in events if isinstance(e, Conversion) and e.transaction_id == "f"]


def test_S5_an_address_that_sends_too_much_waits(web: httpx.Client) -> None:
    here = {"x-forwarded-for": "192.0.2.67"}
    told = [web.get("/postback", params=report("g"), headers=here) for _ in range(60)]
    codes = [answer.status_code for answer in told]
    assert set(codes) == {200, 429} and codes[0] == 200 and codes.count(200) >= 40
    assert told[codes.index(429)].headers["retry-after"] == "1"
    assert web.get("/postback", params=report("g")).status_code == 200
    assert web.get("/c/shoes", headers=here).status_code == 302


def test_S5_an_advertiser_has_a_limit_of_its_own_and_a_batch_counts_as_its_items(
    web: httpx.Client,
) -> None:
    bearer = {"authorization": f"Bearer {postback_token(SECRET, 10, 1)}"}
    items = [{"txn_id": f"s{number}", "goal": "sale"} for number in range(1_000)]
    here = {**bearer, "x-forwarded-for": "192.0.2.68"}
    assert web.post("/v1/conversions", json=items, headers=here).json()["accepted"] == 1_000
    more = web.post("/v1/conversions", json=items[:500], headers=here)
    assert (more.status_code, more.json()["reason"]) == (429, "rate_limited")
    assert 400 < int(more.headers["retry-after"]) <= 500
    broken = [web.post("/v1/conversions", content=b"{", headers=here) for _ in range(20)]
    assert broken[-1].json()["reason"] == "rate_limited", "what cannot be read counts too"
    others = {"authorization": f"Bearer {TOKEN}", "x-forwarded-for": "192.0.2.68"}
    assert web.post("/v1/conversions", json=items[:5], headers=others).status_code == 200


def test_T2_a_full_journal_answers_503_with_retry_after(stack: Stack, web: httpx.Client) -> None:
    stack.stop_process("shipper")
    for _ in range(3_000):
        web.get("/c/shoes", headers={"user-agent": "x" * 500})
        if status(stack, "edge")["journal_full"]:
            break
    full = web.get("/postback", params=report("full"))
    assert (full.status_code, full.json()["reason"]) == (503, "journal_full")
    assert int(full.headers["retry-after"]) > 0
    stack.start_process("shipper")
    until(lambda: not status(stack, "edge").get("journal_full"), "there is room again")
    assert web.get("/postback", params=report("full")).json()["status"] == "accepted"
