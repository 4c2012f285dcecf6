"""Requests made from the OpenAPI document, against a real edge: no 5xx, answers as described."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from afflux.runtime.supervise.services import fetch
from afflux.runtime.supervise.stack import Stack
from services.tracking.openapi import FILE
from tests.support.engines import temporary_home
from tests.tracking_stack import TOKEN, UNLIMITED, publish_catalog

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_home() as home:
        made = Stack(home, ["shipper", "edge"], free_ports=True, env=UNLIMITED)
        with made:
            publish_catalog(made)
            yield made


def configured(stack: Stack, folder: Path) -> Path:
    """Write what no generator can guess: whose token it is, and a genuine click for the pixel."""
    answer = httpx.get(f"{stack.settings.edge_url}/c/shoes")
    click_id = httpx.URL(answer.headers["location"]).params["cid"]
    file = folder / "schemathesis.toml"
    file.write_text(
        f"""
[parameters]
"query.token" = "{TOKEN}"
"query.advertiser" = "7"

[[operations]]
include-path = "/pixel"
parameters = {{ "query.click_id" = "{click_id}", "query.goal" = "sale" }}
""",
        encoding="utf-8",
    )
    return file


def accepted(stack: Stack) -> set[str]:
    """Return the paths at which something was accepted."""
    _, metrics = fetch(stack.admin_port("edge"), "/metrics")
    pattern = r'afflux_reports_total\{path="([^"]+)",result="(?:accepted|200)"\}'
    return set(re.findall(pattern, metrics.decode()))


def explore(stack: Stack, folder: Path, *options: str) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        f"--config-file={configured(stack, folder)}",
        "run",
        str(FILE),
        f"--url={stack.settings.edge_url}",
        f"--header=Authorization: Bearer {TOKEN}",
        f"--checks={','.join(CHECKS)}",
        "--seed=20",
        "--no-color",
        *options,
    ]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=1_500
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    assert re.search(r"(\d+) generated, \1 (unique )?passed", done.stdout), done.stdout[-2_000:]
    assert {"/postback", "/pixel", "/v1/conversions", "/v1/adjustments"} <= accepted(stack)


def test_no_request_of_the_document_breaks_the_edge(stack: Stack, tmp_path: Path) -> None:
    explore(stack, tmp_path, "--max-examples=25", "--mode=all", "--phases=examples,fuzzing")


@pytest.mark.full
@pytest.mark.timeout(1_800)
def test_many_requests_of_the_document_do_not_either(stack: Stack, tmp_path: Path) -> None:
    explore(stack, tmp_path, "--max-examples=150", "--mode=all")
