"""Refused reports are kept and can be resubmitted after a fix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from afflux.kernel.events import Adjustment, Authentication, Channel, Conversion, Status
from afflux.kernel.keys import postback_token
from tests.tracking_samples import SECRET
from tests.tracking_shop import CATALOG, Shop, running_shop
from tests.tracking_stack import TOKEN, shipped, wait_drained

BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as running:
        yield running


@pytest.fixture(scope="module")
def web(shop: Shop) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shop.stack.settings.edge_url, timeout=10) as client:
        yield client


def report(txn: str, **more: str) -> dict[str, str]:
    return {"advertiser": "7", "token": TOKEN, "txn_id": txn, "goal": "sale", **more}


def newest(shop: Shop, *filters: str) -> dict[str, Any]:
    wait_drained(shop.stack)
    found: dict[str, Any] = shop.json("rejections", "list", *filters)[-1]
    return found


def conversion(shop: Shop, txn: str) -> Conversion:
    wait_drained(shop.stack)
    events = shipped(shop.stack.settings)
    (found,) = [e for e in events if isinstance(e, Conversion) and e.transaction_id == txn]
    return found


def test_a_field_is_set_and_the_time_of_the_first_arrival_stays(
    shop: Shop, web: httpx.Client
) -> None:
    assert web.get("/postback", params=report("fix", amount="12,50")).status_code == 400
    refused = newest(shop, "--reason", "field_invalid")
    assert (refused["field"], refused["advertiser"]) == ("amount", 7)
    done = shop.json("rejections", "resubmit", refused["id"], "--set", "amount=12.50")
    assert done["resubmitted"][0]["answer"]["status"] == "accepted"
    kept = conversion(shop, "fix")
    assert (kept.value_minor, kept.authentication) == (1250, Authentication.HMAC)
    assert kept.occurred_at == refused["received_at"] < kept.recorded_at


def test_I2_whoever_comes_second_is_a_duplicate(shop: Shop, web: httpx.Client) -> None:
    refused = newest(shop, "--reason", "field_invalid")
    assert refused["resubmitted"]["outcome"] == "accepted"
    assert web.get("/postback", params=report("fix", amount="12.5")).json()["status"] == "duplicate"
    again = shop.json("rejections", "resubmit", refused["id"], "--set", "amount=12.50")
    assert again["resubmitted"][0]["answer"]["status"] == "duplicate"
    assert conversion(shop, "fix").value_minor == 1250
    assert "0 sent" in shop.afflux(
        "rejections", "resubmit", "--all", "--reason", "field_invalid"
    ), "what is done is not sent by --all again"


def test_after_the_catalogue_was_mended_all_of_a_reason_go(shop: Shop, web: httpx.Client) -> None:
    for number in range(3):
        answer = web.post("/postback", data=report(f"lead-{number}", goal="lead", offer_id="70"))
        assert answer.json()["reason"] == "goal_unknown"
    newest(shop)
    still = shop.afflux("rejections", "resubmit", "--all", "--reason", "goal_unknown", code=1)
    assert still.count("refused  goal_unknown") == 3
    shop.apply(CATALOG.replace("{name: sale,", "{name: lead, revenue: 5%}, {name: sale,"))
    first = [one["id"] for one in shop.json("rejections", "list", "--reason", "goal_unknown")][:3]
    said = shop.afflux("rejections", "resubmit", *first)
    assert said.count("accepted") == 3 and "3 sent, 0 refused" in said
    assert conversion(shop, "lead-2").goal == "lead"


def test_T3_a_browsers_report_stays_one_and_keeps_the_click_of_its_cookie(
    shop: Shop, web: httpx.Client
) -> None:
    agent = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"}
    cid = httpx.URL(web.get("/c/shoes", headers=agent).headers["location"]).params["cid"]
    order = {"goal": "vip", "txn_id": "planted", "amount": "900"}
    answer = web.get("/pixel", params=order, headers={"cookie": f"afflux_cid={cid}"})
    assert answer.headers["x-afflux-reason"] == "goal_unknown"
    refused = newest(shop, "--reason", "goal_unknown")
    assert (refused["path"], refused["advertiser"]) == ("/pixel", 7)
    shop.apply(
        CATALOG.replace(
            "{name: sale,", "{name: lead, revenue: 5%}, {name: vip, revenue: 5%}, {name: sale,"
        )
    )
    for outcome in ("accepted", "duplicate"):
        done = shop.json("rejections", "resubmit", refused["id"])
        assert done["resubmitted"][0]["answer"]["status"] == outcome
    kept = conversion(shop, "planted")
    assert (kept.channel, kept.authentication) == (Channel.PIXEL, Authentication.NONE)
    assert (kept.status, kept.value_minor) == (Status.PENDING, 90_000)
    assert kept.click_id and kept.occurred_at == refused["received_at"] < kept.recorded_at
    forced = shop.json("rejections", "resubmit", refused["id"], "--set", "status=approved", code=1)
    assert forced["resubmitted"][0]["answer"]["field"] == "status"


def test_a_batch_sent_as_a_form_can_be_resubmitted(shop: Shop, web: httpx.Client) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    body = b'[{"txn_id": "curl", "goal": "sale", "amount": "1,5"}]'
    assert web.post("/v1/conversions", content=body, headers=BEARER | kind).status_code == 207
    refused = newest(shop, "--reason", "field_invalid")
    assert "accepted" in shop.afflux(
        "rejections", "resubmit", refused["id"], "--set", "amount=1.50"
    )
    assert conversion(shop, "curl").value_minor == 150


def test_an_item_of_a_batch_and_an_adjustment_go_alone(shop: Shop, web: httpx.Client) -> None:
    batch = [report("b1"), {"txn_id": "b2", "amount": 7}, report("b3")]
    web.post("/v1/conversions", json=batch, headers=BEARER)
    missing = newest(shop, "--reason", "field_missing")
    shop.afflux("rejections", "resubmit", missing["id"], "--set", "goal=sale")
    assert conversion(shop, "b2").value_minor == 700

    refund = {"txn_id": "b1", "goal": "sale", "kind": "refund", "amount": "1", "currency": "XXQ"}
    assert web.post("/v1/adjustments", json=refund, headers=BEARER).status_code == 400
    refused = newest(shop, "--advertiser", "7")
    shop.afflux("rejections", "resubmit", refused["id"], "--set", "currency=")
    wait_drained(shop.stack)
    (kept,) = [e for e in shipped(shop.stack.settings) if isinstance(e, Adjustment)]
    assert (kept.value_minor, kept.currency, kept.occurred_at) == (
        100,
        "EUR",
        refused["received_at"],
    )


def test_T3_whose_sender_is_unproven_needs_a_person_to_name_it(
    shop: Shop, web: httpx.Client
) -> None:
    assert web.get("/postback", params=report("unproven", token="old")).status_code == 401
    refused = newest(shop, "--reason", "token_wrong")
    assert refused["advertiser"] is None
    said = shop.afflux("rejections", "resubmit", refused["id"], code=1)
    assert "sender_unproven" in said and "--as" in said
    preview = shop.afflux("rejections", "resubmit", refused["id"], "--as", "7", "--dry-run")
    assert "GET /postback?txn_id=unproven&goal=sale&afflux_received_at=" in preview
    assert "old" not in preview and "***" not in preview
    assert "accepted" in shop.afflux("rejections", "resubmit", refused["id"], "--as", "7")
    assert conversion(shop, "unproven").advertiser_id == 7


def test_the_networks_of_an_advertiser_do_not_bind_the_network_itself(
    shop: Shop, web: httpx.Client
) -> None:
    token = postback_token(SECRET, 9, 1)
    params = {**report("elsewhere"), "advertiser": "9", "token": token}
    said_by_a_stranger = {"x-forwarded-for": "203.0.113.7"}
    told = web.get("/postback", params=params, headers=said_by_a_stranger).json()
    assert told["reason"] == "address_not_allowed" and "from 127.0.0.1" in told["detail"]
    assert "203.0.113" not in told["detail"], "who has the token alone does not learn from where"
    refused = newest(shop, "--reason", "address_not_allowed")
    assert "accepted" in shop.afflux("rejections", "resubmit", refused["id"])


def test_T3_only_the_network_says_when_a_report_first_came(shop: Shop, web: httpx.Client) -> None:
    web.get("/postback", params=report("early", afflux_received_at="946684800000"))
    kept = conversion(shop, "early")
    assert kept.occurred_at == kept.recorded_at


def test_what_cannot_be_sent_again_says_why(shop: Shop, web: httpx.Client) -> None:
    web.post("/v1/conversions", content=b"[{", headers=BEARER)
    broken = newest(shop, "--reason", "body_invalid")
    assert "body_invalid" in shop.afflux("rejections", "resubmit", broken["id"], code=1)
    stranger = b'{"txn_id": "' + b"x" * 4_000 + b'"}'
    headers = {"content-type": "application/json"}
    assert web.post("/postback", content=stranger, headers=headers).status_code == 401
    cut = newest(shop, "--reason", "authentication_missing")
    said = shop.afflux("rejections", "resubmit", cut["id"], "--as", "7", code=1)
    assert "rejection_cut" in said


def test_the_command_line_shows_and_says_what_it_cannot_do(shop: Shop) -> None:
    refused = newest(shop, "--reason", "token_wrong")
    shown = shop.afflux("rejections", "show", refused["id"][:12])
    assert "token=***" in shown and "The token is not this advertiser's." in shown
    assert "accepted" in shown
    assert refused["id"] in shop.afflux("rejections", "list", "--reason", "token_wrong")
    assert shop.json("rejections", "list", "--since", "2100-01-01") == []
    assert "no rejection" in shop.afflux("rejections", "show", "ffffffffffff", code=1)
    assert "too short" in shop.afflux("rejections", "resubmit", "ff", code=1)
    assert "either IDs or --all" in shop.afflux("rejections", "resubmit", code=2)
    assert "--all goes with" in shop.afflux("rejections", "resubmit", "--all", code=2)
    assert "not FIELD=VALUE" in shop.afflux(
        "rejections", "resubmit", "abcdef", "--set", "x", code=2
    )
    assert "no reason code" in shop.afflux("rejections", "list", "--reason", "nonsense", code=2)
