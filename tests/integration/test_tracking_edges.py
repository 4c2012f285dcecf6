"""Two edges on one host share nothing; what neither can know is settled behind them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import httpx
import pytest
from msgspec import Struct

from afflux.kernel.events import Conversion, DeadLetterRecord, Event, LedgerEntry
from afflux.kernel.keys import postback_key
from afflux.runtime.embedded.ports import Reservations
from afflux.runtime.supervise.services import STREAM, Service
from afflux.runtime.supervise.stack import Stack
from services.tracking.domain.signature import compute, message
from tests.fraud_kafka import eventually
from tests.tracking_samples import SECRET
from tests.tracking_shop import running_shop
from tests.tracking_stack import TOKEN, status

E = TypeVar("E", bound=Event)
OLD = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"


class Edges(Struct, frozen=True):
    """A stack with the edges A and B, each with its own shipper, and the stream behind them."""

    stack: Stack
    a: str
    b: str

    def events(self, kind: type[E], enough: Callable[[list[E]], bool]) -> list[E]:
        """Return the events of a topic once there are enough of them."""
        return asyncio.run(eventually(self.stack.settings, kind, enough))

    def paid(self, txn: str) -> list[int]:
        """Return what the ledger accrued for a sale, once it accrued a later one."""
        (key,) = {e.conversion_key for e in self.arrived(txn)}
        last = f"after-{txn}"
        sale(self.a, last, click_id=click(self.a))
        (mark,) = {e.conversion_key for e in self.arrived(last)}
        entries = self.events(LedgerEntry, lambda all: any(e.conversion_key == mark for e in all))
        return [e.amount_minor for e in entries if e.conversion_key == key and e.credit == PARTNER]

    def arrived(self, txn: str, count: int = 1) -> list[Conversion]:
        """Return the conversions of a transaction, once there are so many in Kafka."""

        def own(found: list[Conversion]) -> list[Conversion]:
            return [event for event in found if event.transaction_id == txn]

        return own(self.events(Conversion, lambda found: len(own(found)) >= count))

    def dead(self, count: int) -> list[DeadLetterRecord]:
        """Return the reports that contradict an earlier one, once there are so many."""

        def own(found: list[DeadLetterRecord]) -> list[DeadLetterRecord]:
            return [letter for letter in found if letter.reason == "conflicting_report"]

        return own(self.events(DeadLetterRecord, lambda found: len(own(found)) >= count))


PARTNER = "partner:1:pending"


@pytest.fixture(scope="module")
def edges() -> Iterator[Edges]:
    ports = Reservations()
    port = ports.free_port()
    url = f"http://127.0.0.1:{port}"
    own = {"AFFLUX_EDGE_ID": "edge-b", "AFFLUX_EDGE_PORT": str(port), "AFFLUX_EDGE_PUBLIC_URL": url}
    ports.release()
    more = (Service("shipper-b", ("shipper",), own), Service("edge-b", ("edge",), own), STREAM)
    with running_shop(*more) as shop:
        shop.wait_for_link(url, "shoes")
        yield Edges(shop.stack, shop.stack.settings.edge_url, url)


def click(url: str) -> str:
    answer = httpx.get(f"{url}/c/shoes", headers={"user-agent": OLD}, timeout=10)
    return str(httpx.URL(answer.headers["location"]).params["cid"])


def sale(url: str, txn: str, **more: str) -> dict[str, object]:
    params = {"advertiser": "7", "token": TOKEN, "txn_id": txn, "goal": "sale", "amount": "100"}
    answer = httpx.get(f"{url}/postback", params={**params, **more}, timeout=10)
    told: dict[str, object] = answer.json()
    return told


def test_I1_one_report_at_two_edges_is_paid_once(edges: Edges) -> None:
    clicked = click(edges.a)
    told = [sale(url, "both", click_id=clicked)["status"] for url in (edges.a, edges.b, edges.a)]
    assert told == ["accepted", "accepted", "duplicate"], "no edge knows of the other"
    assert {event.edge_id for event in edges.arrived("both", 2)} == {"edge-1", "edge-b"}
    assert edges.paid("both") == [500]


def test_I2_of_two_reports_with_one_key_the_first_stays_and_the_other_is_a_dead_letter(
    edges: Edges,
) -> None:
    before = len(edges.dead(0))
    clicked = click(edges.b)
    assert sale(edges.a, "torn", click_id=clicked)["status"] == "accepted"
    edges.arrived("torn")
    assert sale(edges.b, "torn", click_id=clicked, amount="300")["status"] == "accepted"
    assert sale(edges.a, "torn", click_id=clicked, amount="300")["code"] == 409
    edges.arrived("torn", 2)
    (letter,) = edges.dead(before + 1)[before:]
    assert "was reported before" in letter.error
    assert edges.paid("torn") == [500]


def test_I2_holds_where_the_two_reports_are_of_different_partitions(edges: Edges) -> None:
    before = len(edges.dead(0))
    assert sale(edges.a, "apart", click_id=click(edges.a))["status"] == "accepted"
    edges.arrived("apart")
    assert sale(edges.b, "apart", amount="300")["status"] == "accepted"
    edges.arrived("apart", 2)
    assert len(edges.dead(before + 1)) == before + 1
    assert edges.paid("apart") in ([], [500]), "whichever was assessed first, the click's or not"


def test_T3_a_replay_at_another_edge_passes_its_nonces_and_is_paid_once(edges: Edges) -> None:
    ts, nonce = str(int(time.time())), "nonce-two-edges"
    query = (
        f"advertiser=7&txn_id=replayed&goal=sale&amount=100&click_id={click(edges.a)}"
        f"&kid=k1&ts={ts}&nonce={nonce}"
    )
    signed = message("GET", "/postback", query, ts, nonce, b"")
    url = f"/postback?{query}&sig={compute(postback_key(SECRET, 7, 'k1'), signed)}"
    told = [httpx.get(edge + url, timeout=10).json() for edge in (edges.a, edges.a, edges.b)]
    assert [answer.get("reason") or answer["status"] for answer in told] == [
        "accepted",
        "nonce_used",
        "accepted",
    ]
    edges.arrived("replayed", 2)
    assert edges.paid("replayed") == [500]


def test_T1_a_second_edge_on_one_journal_refuses_to_start(edges: Edges) -> None:
    journal = edges.stack.settings.journal
    env = {
        **os.environ,
        **edges.stack.env,
        "AFFLUX_EDGE_PORT": "0",
        "AFFLUX_JOURNAL_DIR": str(journal),
        "AFFLUX_EDGE_ID": "edge-c",
        "AFFLUX_ADMIN_PORT": "0",
    }
    command = [sys.executable, "-m", "afflux.cli.main", "worker", "edge"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert f"another edge writes {journal}" in done.stdout + done.stderr
    assert sale(edges.a, "still", click_id=click(edges.a))["status"] == "accepted"
    assert status(edges.stack, "edge")["healthy"] is True
