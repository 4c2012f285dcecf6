"""Keys rotated on a running stack, and the documented examples that sign with them."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from afflux.kernel.keys import postback_key
from afflux.runtime.paths import ROOT
from services.tracking.domain.signature import compute, message
from tests.tracking_samples import SECRET
from tests.tracking_shop import CATALOG, Shop, running_shop
from tests.tracking_stack import until

EXAMPLES = ROOT / "examples" / "integrate"
NUMBERS = itertools.count(1_000)
INTERPRETERS = {"sign.py": "python3", "sign.php": "php", "sign.mjs": "node", "sign.sh": "sh"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as running:
        yield running


@pytest.fixture(scope="module")
def web(shop: Shop) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shop.stack.settings.edge_url, timeout=10) as client:
        yield client


def signed(web: httpx.Client, txn: str, kid: str) -> dict[str, Any]:
    ts, nonce = str(int(time.time())), f"nonce-{next(NUMBERS)}"
    query = f"advertiser=7&txn_id={txn}&goal=sale&kid={kid}&ts={ts}&nonce={nonce}"
    key = postback_key(SECRET, 7, kid)
    sig = compute(key, message("GET", "/postback", query, ts, nonce, b""))
    told: dict[str, Any] = web.get(f"/postback?{query}&sig={sig}").json()
    return told


def with_token(web: httpx.Client, token: str) -> dict[str, Any]:
    params = {"advertiser": "7", "token": token, "txn_id": "token", "goal": "sale"}
    told: dict[str, Any] = web.get("/postback", params=params).json()
    return told


@pytest.mark.parametrize("name", INTERPRETERS)
def test_T3_the_examples_sign_as_they_stand(shop: Shop, name: str) -> None:
    found = sys.executable if name == "sign.py" else shutil.which(INTERPRETERS[name])
    if found is None:
        pytest.skip(f"{INTERPRETERS[name]} is not installed")
    env = {
        **os.environ,
        "EDGE": shop.stack.settings.edge_url,
        "ADVERTISER": "7",
        "KID": "k1",
        "KEY": shop.json("keys", "show", "--advertiser", "7")["keys"]["k1"],
    }

    def run(*args: str, **other: str) -> tuple[int, dict[str, Any]]:
        command = [found, str(EXAMPLES / name), *args]
        done = subprocess.run(
            command, env={**env, **other}, capture_output=True, text=True, check=False
        )
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    code, told = run(name, "49.90", "EUR")
    assert (code, told["status"]) == (0, "accepted")
    assert run(name, "49.90", "EUR")[1]["status"] == "duplicate"
    code, told = run(name, "49.90", "EUR", KEY="another")
    assert (code, told["reason"]) == (1, "signature_wrong")
    code, told = run(name, "1.00", "EUR", "not-a-click-id")
    assert (code, told["field"]) == (1, "click_id")


def test_T3_a_rotated_key_is_taken_beside_the_old_one_and_the_old_one_ends(
    shop: Shop, web: httpx.Client
) -> None:
    assert signed(web, "before", "k1")["status"] == "accepted"
    assert signed(web, "before", "k2")["reason"] == "key_unknown"
    shown = shop.json("keys", "rotate", "--advertiser", "7", "--overlap", "15s")
    assert list(shown["keys"]) == ["k2", "k1"] and list(shown["until"]) == ["k1"]
    assert shown["keys"]["k2"] == postback_key(SECRET, 7, "k2").decode()
    until(lambda: signed(web, "within", "k2")["code"] == 200, "the new key is taken")
    assert signed(web, "within", "k1")["status"] == "duplicate"
    assert f"until {shown['until']['k1']}" in shop.afflux("keys", "show", "--advertiser", "7")
    until(lambda: signed(web, "within", "k1").get("reason") == "key_unknown", "k1 ends")
    assert signed(web, "after", "k2")["status"] == "accepted"
    assert list(shop.json("keys", "show", "--advertiser", "7")["keys"]) == ["k2"]


def test_T3_a_token_is_rotated_alike_and_a_catalogue_file_brings_no_old_one_back(
    shop: Shop, web: httpx.Client
) -> None:
    old = shop.json("keys", "show", "--advertiser", "7")["token"]
    shown = shop.json("keys", "rotate", "--advertiser", "7", "--token", "--overlap", "30d")
    assert list(shown["old_tokens"]) == [old] and shown["old_tokens"][old]
    until(lambda: with_token(web, shown["token"])["code"] == 200, "the new token is taken")
    assert with_token(web, old)["status"] == "duplicate"
    shop.json("keys", "rotate", "--advertiser", "7", "--token", "--overlap", "0")
    until(lambda: with_token(web, old).get("reason") == "token_wrong", "the old one ends at once")
    shop.apply(CATALOG.replace("name: Shop}", "name: Shop, hosts: [shop.example]}"))
    assert with_token(web, old)["reason"] == "token_wrong"
    newest = shop.json("keys", "show", "--advertiser", "7")["token"]
    assert with_token(web, newest)["status"] == "duplicate"


def test_keys_say_what_they_cannot_do(shop: Shop) -> None:
    assert "no advertiser 99" in shop.afflux("keys", "rotate", "--advertiser", "99", code=1)
    assert "either --advertiser ID or --clicks" in shop.afflux("keys", "rotate", code=2)
    assert "duration" in shop.afflux(
        "keys", "rotate", "--advertiser", "7", "--overlap", "soon", code=2
    )
    steps = shop.afflux("keys", "rotate", "--clicks")
    ids = [line.split("AFFLUX_CLICK_KEY_IDS=")[1].split()[0] for line in steps.splitlines()]
    assert ids == ["1", "1,2", "2,1", "2"]


def test_networks_are_checked_with_their_line(shop: Shop) -> None:
    file = shop.home / "wrong.yaml"
    file.write_text(CATALOG.replace("203.0.113.0/24", "203.0.113.1/24, nonsense"))
    said = shop.afflux("catalog", "apply", str(file), code=1)
    assert f"{file}:3: advertisers[1].report_networks" in said
    assert "has host bits set" in said and "'nonsense'" in said


def test_the_edge_lets_a_key_end_without_kafka_too(shop: Shop, web: httpx.Client) -> None:
    """Last: it takes the broker away."""
    (kid,) = shop.json("keys", "show", "--advertiser", "7")["keys"]
    shown = shop.json("keys", "rotate", "--advertiser", "7", "--overlap", "25s")
    fresh = next(iter(shown["keys"]))
    until(lambda: signed(web, "no-kafka", fresh)["code"] == 200, "the new key is taken")
    shop.stack.kill("kafka", restart=False)
    shop.stack.kill("edge", restart=False)
    shop.stack.start_process("edge")
    assert signed(web, "no-kafka", kid)["status"] == "duplicate"
    until(lambda: signed(web, "no-kafka", kid).get("reason") == "key_unknown", "the old key ends")
