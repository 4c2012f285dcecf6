"""A disk that does not sync, a clock that steps back, flipped bits, a second edge, a full disk."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from afflux.kernel.events import Click, Conversion
from afflux.kernel.keys import postback_key
from afflux.runtime.supervise.services import Service, fetch
from afflux.runtime.supervise.stack import Stack
from services.tracking.domain.signature import compute, message
from services.tracking.journal.segment import segments
from tests.support.engines import temporary_home
from tests.support.faults import Faults, small_disk
from tests.tracking_oracle import assert_nothing_lost_or_invented, of_edge, position
from tests.tracking_samples import SECRET
from tests.tracking_stack import ENV, TOKEN, load, publish_catalog, status, until, wait_drained

SMALL_SEGMENTS = {**ENV, "AFFLUX_JOURNAL_SEGMENT_BYTES": "60000"}
HOUR = 3_600
LONG_CLICK = f"/c/shoes?{urlencode({f'sub{number}': 'x' * 250 for number in range(1, 11)})}"
Answer = tuple[int, dict[str, str], str]


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Faults:
    return Faults(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def stack(faults: Faults) -> Iterator[Stack]:
    edge = Service("edge", ("edge",), faults.env)
    with temporary_home() as home:
        made = Stack(home, ["shipper", edge], free_ports=True, env=SMALL_SEGMENTS)
        with made:
            publish_catalog(made)
            yield made


def get(url: str, path: str) -> Answer:
    """Return status, headers and body of one request."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers.items()), answer.read().decode()
    finally:
        connection.close()


def add_pair(stack: Stack, edge_id: str, env: dict[str, str]) -> str:
    """Add one more edge with its shipper; return the edge's address."""
    port = stack.free_port()
    own = {**env, "AFFLUX_EDGE_ID": edge_id, "AFFLUX_EDGE_PORT": str(port)}
    stack.add(Service(f"{edge_id}-shipper", ("shipper",), own))
    stack.add(Service(edge_id, ("edge",), own))
    until(lambda: status(stack, edge_id).get("links") == 5, "the edge knows the links")
    return f"http://127.0.0.1:{port}"


def report(txn: str, **more: str) -> str:
    fields = {"advertiser": "7", "goal": "sale", "amount": "10.00", "txn_id": txn, **more}
    return f"/postback?{urlencode(fields)}"


def signed(txn: str, nonce: str, ts: float) -> str:
    """Return a signed report."""
    path = report(txn, kid="k1", ts=str(int(ts)), nonce=nonce)
    query = path.partition("?")[2]
    text = message("GET", "/postback", query, str(int(ts)), nonce, b"")
    return f"{path}&sig={compute(postback_key(SECRET, 7, 'k1'), text)}"


def test_T1_an_edge_whose_disk_does_not_sync_ends_and_nobody_is_answered(
    stack: Stack, faults: Faults, tmp_path: Path
) -> None:
    url, answers = stack.settings.edge_url, list[int]()

    def ask(path: str) -> None:
        try:
            answers.append(get(url, path)[0])
        except (OSError, http.client.HTTPException):
            return

    with faults.failing_fsync():
        before = stack.pid("edge")
        paths = [f"/c/shoes?sub1=unsynced-{n}" for n in range(12)]
        paths += [report(f"unsynced-{n}", token=TOKEN) for n in range(4)]
        (tmp_path / "own.asked").write_text("\n".join(f"unsynced-{n}" for n in range(12)))
        threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == []
        log = stack.log("edge").read_text()
        assert "journal_write_failed" in log and "Input/output error" in log
    until(lambda: stack.state() is not None and restarted(stack, before), "the edge is back")
    with load(stack, tmp_path, 31) as history:
        until(lambda: answered(history) > 20, "the load is answered")
    wait_drained(stack)
    assert assert_nothing_lost_or_invented(stack.settings, history) > 20


def answered(history: Path) -> int:
    """Return how many answers a load has written down."""
    return len(history.read_text().splitlines()) if history.exists() else 0


def restarted(stack: Stack, before: int) -> bool:
    return status(stack, "edge").get("links") == 5 and stack.pid("edge") != before


def test_T3_a_clock_that_steps_back_an_hour_loses_and_repeats_nothing(
    stack: Stack, faults: Faults, tmp_path: Path
) -> None:
    url = stack.settings.edge_url
    (tmp_path / "own.asked").write_text("clock-1\nclock-2\nclock-3\n")
    with load(stack, tmp_path, 32) as history:
        time.sleep(0.7)
        location = get(url, "/c/shoes")[1]["location"]
        click_id = parse_qs(urlsplit(location).query)["cid"][0]
        sale = signed("clock-1", "nonce-of-clock-1", time.time())
        assert get(url, sale)[0] == 200
        with faults.clock_shifted(-HOUR):
            time.sleep(0.7)
            late = get(url, report("clock-2", token=TOKEN, click_id=click_id))
            assert late[0] == 200, "a click of before the step is ours still"
            true_time = get(url, signed("clock-3", "nonce-of-clock-3", time.time()))
            assert (true_time[0], json.loads(true_time[2])["reason"]) == (401, "timestamp_outside")
            assert get(url, sale)[0] == 401
            stack.kill("edge")
            stack.wait_ready("edge")
            time.sleep(0.7)
        again = get(url, signed("clock-3", "nonce-of-clock-3", time.time()))
        assert again[0] == 200, again[2]
        code, _, body = get(url, sale)
        assert code == 401 or json.loads(body)["status"] == "duplicate"
        time.sleep(0.5)
        until(lambda: answered(history) > 50, "the load is answered")
    wait_drained(stack)
    assert assert_nothing_lost_or_invented(stack.settings, history) > 50


def test_a_second_edge_on_a_journal_refuses_to_start(stack: Stack) -> None:
    env = {**os.environ, **stack.env, "AFFLUX_EDGE_PORT": str(stack.free_port())}
    command = [sys.executable, "-m", "afflux.cli.main", "worker", "edge"]
    second = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode != 0
    assert "another edge writes" in second.stdout + second.stderr
    assert get(stack.settings.edge_url, "/c/shoes")[0] == 302


def afflux_journal(stack: Stack, command: str, edge_id: str) -> tuple[int, str]:
    """Run `afflux journal COMMAND --json`; return exit code and output."""
    asked = ["journal", command, "--home", str(stack.home), "--edge-id", edge_id, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "afflux.cli.main", *asked],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def test_T2_flipped_bits_stop_the_shipper_until_a_person_repairs(
    stack: Stack, tmp_path: Path
) -> None:
    url, name = add_pair(stack, "edge-bits", {}), "edge-bits-shipper"
    stack.pause(name)
    journal = stack.settings.home / "journal" / "edge-bits"
    with load(stack, tmp_path, 33, url) as history:
        until(lambda: len(segments(journal)) > 2, "there are closed segments")
    damaged = segments(journal)[1]
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 4
    damaged.write_bytes(data)
    stack.resume(name)
    until(lambda: "damage" in status(stack, name), "the shipper names the damage")
    told = str(status(stack, name)["damage"])
    code, text = afflux_journal(stack, "inspect", "edge-bits")
    (found,) = [one for one in json.loads(text)["segments"] if one["state"] != "whole"]
    assert code == 1 and told == f"{damaged} has no record at byte {found['at']}"
    assert fetch(stack.admin_port(name), "/healthz")[0] == 503
    before = sorted(map(position, of_edge(stack.settings, "edge-bits")))
    assert before == list(range(len(before))), "nothing behind the damage was shipped"
    code, text = afflux_journal(stack, "repair", "edge-bits")
    assert code == 0 and [one["lost"] for one in json.loads(text)] == [1]
    wait_drained(stack, shipper=name)
    until(lambda: fetch(stack.admin_port(name), "/healthz")[0] == 200, "it is well again")
    lost = [len(before)]
    assert_nothing_lost_or_invented(stack.settings, history, "edge-bits", lost)


def test_T2_a_disk_of_8_mb_without_kafka_refuses_reports_and_redirects_clicks(
    stack: Stack, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        url = add_pair(stack, "edge-small", {"AFFLUX_JOURNAL_DIR": str(disk)})
        stack.stop_process("kafka")
        sold, redirected = fill(url)
        assert sold, "reports were taken before the disk was full"
        for number in range(20):
            code, headers, body = get(url, report(f"full-{number:05}", token=TOKEN))
            assert (code, json.loads(body)["reason"]) == (503, "journal_full")
            assert int(headers["retry-after"]) > 0
            redirected += get(url, LONG_CLICK)[0] == 302
        stack.start_process("kafka")
        until(lambda: get(url, report("after", token=TOKEN))[0] == 200, "there is room again")
        wait_drained(stack, shipper="edge-small-shipper")
        counts = status(stack, "edge-small")["journaled"]
        assert isinstance(counts, dict)
        events = of_edge(stack.settings, "edge-small")
        txns = [event.transaction_id for event in events if isinstance(event, Conversion)]
        clicks = {event.click_id for event in events if isinstance(event, Click)}
        assert len(txns) == len(set(txns)) and {*sold, "after"} <= set(txns)
        assert counts["unlogged"] >= 20
        assert len(clicks) + counts["unlogged"] == redirected
        assert sorted(map(position, events)) == list(range(len(events)))
        for name in ("edge-small", "edge-small-shipper"):
            stack.stop_process(name)


def fill(url: str) -> tuple[list[str], int]:
    """Send clicks and reports until there is no room for a report of this length; return the
    reports that were kept and how many clicks were redirected.

    Where a long click finds no room, reports are refused untried for a moment: so the last ones
    are sent with pauses.
    """
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    sold: list[str] = []
    redirected = refused = 0
    for number in range(40_000):
        is_report = refused > 0 or number % 8 == 0
        path = report(f"fill-{number:05}", token=TOKEN) if is_report else LONG_CLICK
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        if not is_report:
            assert answer.status == 302
            redirected += 1
            continue
        if answer.status == 200:
            sold.append(f"fill-{number:05}")
        refused = refused + 1 if answer.status == 503 else 0
        if refused == 3:
            return sold, redirected
        if refused:
            time.sleep(0.4)
    raise AssertionError("the disk was never full")
