"""Starting and stopping a stack: what is refused, what is written, what is left."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from afflux.runtime import pg
from afflux.runtime.homes import ensure_secret, env_file, load_home
from afflux.runtime.refused import Refused
from afflux.runtime.supervise.environment import refuse_full_disk
from afflux.runtime.supervise.leftovers import leftovers
from afflux.runtime.supervise.stack import Stack


def afflux(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the command line as a user does."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AFFLUX_")}
    command = [sys.executable, "-m", "afflux.cli.main", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=env
    )


@contextmanager
def detached(home: Path) -> Iterator[None]:
    """A running stack of the two engines, started by the command line."""
    up = afflux("up", "--home", str(home), "--detach", "--free-ports", "--services", "none")
    assert up.returncode == 0, up.stderr
    try:
        yield
    finally:
        down = afflux("down", "--home", str(home))
        assert down.returncode == 0, down.stderr


def test_up_status_down_from_the_command_line(home: Path) -> None:
    with detached(home):
        status = afflux("status", "--home", str(home), "--json")
        report = json.loads(status.stdout)
        assert status.returncode == 0
        assert report["phase"] == "running"
        assert {p["name"]: p["healthy"] for p in report["processes"]} == {
            "kafka": True,
            "postgres": True,
        }

        again = afflux("up", "--home", str(home), "--services", "none")
        assert again.returncode == 1
        assert f"a stack already runs in {home}" in again.stderr
        assert "Traceback" not in again.stderr

    assert afflux("status", "--home", str(home)).returncode == 1
    assert list(leftovers(home)) == []
    assert afflux("down", "--home", str(home)).returncode == 0


@pytest.mark.parametrize(
    ("variable", "services"), [("AFFLUX_KAFKA", []), ("AFFLUX_EDGE_PORT", ["edge"])]
)
def test_a_taken_port_is_refused_before_anything_starts(
    home: Path, variable: str, services: list[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        value = f"127.0.0.1:{port}" if variable == "AFFLUX_KAFKA" else str(port)
        stack = Stack(home, services, free_ports=True, env={variable: value})
        with pytest.raises(Refused, match=rf"port {port} .*{variable}.* is taken"):
            stack.start()
    assert list(leftovers(home)) == []


def test_a_full_disk_is_refused(home: Path) -> None:
    with pytest.raises(Refused, match="MB left and the stack needs"):
        refuse_full_disk(home, needed=1 << 60)


def test_a_home_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(Refused, match="cannot be used as a home"):
        refuse_full_disk(Path("/dev/null/home"))


def test_without_a_stack_other_commands_say_what_to_do(home: Path, monkeypatch) -> None:
    for name in ("AFFLUX_KAFKA", "AFFLUX_POSTGRES"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Refused, match="run `afflux up"):
        load_home(home)


def test_a_home_has_one_stack_that_others_find_and_keeps_its_data(make_stack, home: Path) -> None:
    stack = make_stack([], home=home / ("long" * 30))  # too long for a socket address
    home, before = stack.home, stack.env
    with pg.connect(stack.settings.postgres) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    with pytest.raises(Refused, match=f"a stack already runs in {home}"):
        Stack(home, [], free_ports=True).start()

    found = load_home(home)
    assert found.model_dump() == stack.settings.model_dump()
    assert len(found.secret.get_secret_value()) == 64
    assert found.secret.get_secret_value() == ensure_secret(home)
    for private in (env_file(home), home / "secret"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600

    stack.stop()
    stack.start()

    assert stack.env == before
    with pg.connect(stack.settings.postgres) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_postgres_keeps_its_safe_defaults(engines, fresh_postgres: str) -> None:
    with pg.connect(fresh_postgres) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            row = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone()
            assert row == ("on",), setting
