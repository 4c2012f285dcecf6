"""A browser that names no click: its cookie leads to the journey of its clicks and views."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from afflux.kernel.catalog import Advertiser, Entity, Goal, Landing, Link, Offer, Partner, Terms
from afflux.kernel.events import CreditSignal, Decision, Result, TouchOutcome
from afflux.runtime.supervise.stack import Stack
from tests.fraud_kafka import eventually
from tests.support.engines import temporary_home
from tests.tracking_stack import UNLIMITED, publish_entities

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
ENTITIES: list[Entity] = [
    Advertiser(id=7, name="Shop", allow_pixel=True),
    Partner(id=1, name="Clicks"),
    Partner(id=2, name="Views"),
    Offer(
        id=70,
        advertiser_id=7,
        name="Shoes",
        landings=[Landing(id=1, url="https://shop.example/?cid={click_id}")],
        goals=[Goal(name="sale", revenue=Terms(percent="10"))],
        view_window_s=86_400,
        repeat_click_s=0,
    ),
    Link(id=1, code="clicked", partner_id=1, offer_id=70),
    Link(id=2, code="seen", partner_id=2, offer_id=70),
]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    env = {**UNLIMITED, "AFFLUX_SCREEN_WAIT_MS": "3000"}
    with temporary_home() as home:
        made = Stack(home, ["shipper", "edge", "screen+attribution"], free_ports=True, env=env)
        with made:
            publish_entities(made, ENTITIES, 2)
            yield made


def browser(cookie: str) -> dict[str, str]:
    """Headers of a browser with a cookie."""
    return {"cookie": cookie, "user-agent": AGENT}


def visit(stack: Stack, *paths: str) -> str:
    """Ask for paths as one browser; return its cookie."""
    cookie = ""
    for path in paths:
        answer = httpx.get(stack.settings.edge_url + path, headers=browser(cookie))
        cookie = cookie or answer.headers["set-cookie"].partition(";")[0]
    return cookie


def buy(stack: Stack, cookie: str, txn: str) -> None:
    """Report a sale as the browser does that names no click."""
    given = {"advertiser": "7", "goal": "sale", "txn_id": txn, "amount": "10.00"}
    answer = httpx.get(f"{stack.settings.edge_url}/pixel", params=given, headers=browser(cookie))
    assert answer.status_code == 200, answer.headers


def test_a_view_is_credited_where_nobody_clicked_and_beaten_by_a_click(stack: Stack) -> None:
    buy(stack, visit(stack, "/i/seen"), "viewed")
    buy(stack, visit(stack, "/i/seen", "/c/clicked"), "clicked")
    buy(stack, "afflux_v=" + "ab" * 16, "stranger")

    def decided(found: list[Decision]) -> bool:
        last = {one.transaction_id: one for one in found}
        return len(last) == 3 and all(
            last[txn].result is Result.ATTRIBUTED for txn in ("viewed", "clicked")
        )

    found = asyncio.run(eventually(stack.settings, Decision, decided))
    last = {one.transaction_id: one for one in found}
    assert [share.partner_id for share in last["viewed"].shares] == [2]
    assert last["viewed"].touches[0].kind == "impression"
    assert last["viewed"].signal is CreditSignal.JOURNEY
    assert [share.partner_id for share in last["clicked"].shares] == [1]
    beaten = {touch.kind: touch for touch in last["clicked"].touches}["impression"]
    assert (beaten.outcome, beaten.reason) == (TouchOutcome.ASSISTED, "view_beaten_by_click")
    assert (last["stranger"].result, last["stranger"].reason) == (Result.UNATTRIBUTED, "no_touch")
