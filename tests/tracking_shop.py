"""A stack whose catalogue came through `afflux catalog apply`, and the command line on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import typer
from typer.testing import CliRunner

from afflux.cli import catalog, keys, rejections
from afflux.runtime.refused import Refused
from afflux.runtime.supervise.services import Service
from afflux.runtime.supervise.stack import Stack
from tests.support.engines import temporary_home
from tests.tracking_stack import ENV, until

APPS = {"catalog": catalog.app, "keys": keys.app, "rejections": rejections.app}
QUICK = {**ENV, "AFFLUX_SCREEN_WAIT_MS": "500", "AFFLUX_DEAD_LETTER_SHARE": "1"}
CATALOG = """\
advertisers:
  - {id: 7, allow_pixel: true, name: Shop}
  - {id: 9, name: Bound, report_networks: [203.0.113.0/24]}
partners:
  - {id: 1, name: One}
offers:
  - id: 70
    advertiser: 7
    name: Shoes
    landings: [{id: 1, url: "https://shop.example/?cid={click_id}"}]
    goals: [{name: sale, revenue: 10%, commission: 5%}]
links:
  - {id: 100, code: shoes, partner: 1, offer: 70}
"""


class Shop:
    """A running stack and its command line."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.home = stack.home
        self._applied = 0

    def afflux(self, group: str, *args: str, code: int = 0) -> str:
        """Run `afflux GROUP ARGS` on this stack; return what it printed, errors included."""
        app: typer.Typer = APPS[group]
        found = CliRunner().invoke(app, [*args, "--home", str(self.home)])
        if isinstance(found.exception, Refused):
            assert code == 1, found.exception
            return str(found.exception)
        assert found.exit_code == code, (found.output, found.exception)
        return found.output

    def json(self, group: str, *args: str, code: int = 0) -> Any:
        """Run a command with --json; return what it printed to standard output."""
        app: typer.Typer = APPS[group]
        found = CliRunner().invoke(app, [*args, "--home", str(self.home), "--json"])
        assert found.exit_code == code, (found.output, found.exception)
        return json.loads(found.stdout)

    def apply(self, text: str) -> None:
        """Apply a catalogue file and wait until the edge acts on it: it knows the file's last link,
        and all of a file is known at one instant."""
        self._applied += 1
        mark = f"mark-{self._applied}"
        file = Path(self.home) / "shop.yaml"
        file.write_text(
            f"{text}  - {{id: {900 + self._applied}, code: {mark}, partner: 1, offer: 70}}\n"
        )
        self.afflux("catalog", "apply", str(file))
        self.wait_for_link(self.stack.settings.edge_url, mark)

    def wait_for_link(self, url: str, code: str) -> None:
        """Wait until an edge knows a link."""
        until(
            lambda: httpx.head(f"{url}/c/{code}", timeout=10).status_code == 302,
            f"{url} knows the link {code}",
        )


@contextmanager
def running_shop(*more: Service) -> Iterator[Shop]:
    """Run an edge, its shipper and `more`, with the catalogue of this module."""
    with (
        temporary_home() as home,
        Stack(home, ["shipper", "edge", *more], free_ports=True, env=QUICK) as stack,
    ):
        shop = Shop(stack)
        shop.apply(CATALOG)
        yield shop
