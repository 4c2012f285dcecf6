"""A click cap holds over kill -9: what was answered stays counted."""

from __future__ import annotations

import threading
import time

import httpx

from afflux.kernel.catalog import CapPeriod, ClickCap, Link, Partner
from tests.conftest import StackMaker
from tests.tracking_samples import ADVERTISER
from tests.tracking_stack import ENV, publish_entities, status, until
from tests.tracking_visits import offer

CAP, KILLS, CLIENTS = 400, 4, 3


class Visitors:
    """Clients that click until the cap refuses them; they count what was answered."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.landed = 0
        self.refused = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(CLIENTS)]

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=5) as web:
            refused = False
            while not refused:
                try:
                    answer = web.get("/c/capped", headers={"user-agent": "Mozilla/5.0"})
                except httpx.TransportError:
                    time.sleep(0.02)
                    continue
                refused = answer.status_code == 404
                with self.lock:
                    self.refused += refused
                    self.landed += answer.status_code == 302
                time.sleep(0.005)


def test_a_cap_counts_every_answered_click_over_kills(make_stack: StackMaker) -> None:
    stack = make_stack(["edge"], env=ENV)
    capped = offer(1, click_caps=[ClickCap(clicks=CAP, per=CapPeriod.TOTAL)])
    link = Link(id=1, code="capped", partner_id=1, offer_id=1)
    publish_entities(stack, [ADVERTISER, Partner(id=1, name="One"), capped, link], links=1)
    visitors = Visitors(stack.settings.edge_url)
    for thread in visitors.threads:
        thread.start()
    for kill in range(1, KILLS + 1):
        wanted = CAP * kill // (KILLS + 1)
        until(lambda wanted=wanted: visitors.landed >= wanted, "clicks arrive")
        stack.kill("edge", restart=False)
        stack.start_process("edge")
        until(lambda: status(stack, "edge").get("links") == 1, "the edge is back")
    for thread in visitors.threads:
        thread.join(60)
        assert not thread.is_alive()
    assert visitors.refused == CLIENTS
    unanswered = KILLS * CLIENTS  # counted, perhaps, but cut off by a kill
    assert CAP - unanswered <= visitors.landed <= CAP
