"""The environment all processes of a stack share, and the ports in it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from afflux.runtime.embedded.ports import Reservations, is_taken
from afflux.runtime.embedded.postgres import PostgresFiles
from afflux.runtime.homes import PREFIX, ensure_secret, env_file, parse_env
from afflux.runtime.refused import Refused
from afflux.runtime.settings import Settings

MIN_FREE_BYTES = 512 << 20
DEFAULT_PORTS = {
    "AFFLUX_EDGE_PORT": 8080,
    "AFFLUX_ANALYTICS_PORT": 8081,
    "AFFLUX_MONITOR_PORT": 6066,
}
WORKER_PORTS = {
    "edge": "AFFLUX_EDGE_PORT",
    "analytics": "AFFLUX_ANALYTICS_PORT",
    "monitor": "AFFLUX_MONITOR_PORT",
}


def stack_env(
    home: Path, overrides: Mapping[str, str], reservations: Reservations | None
) -> dict[str, str]:
    """Return the AFFLUX_* variables of the stack of `home`.

    From our environment, then `overrides`; what is still missing gets the embedded engines.
    With `reservations`, every port not named in `overrides` is a free one, the same as at the last
    start of this home where that is still free.
    """
    env = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    env.pop("AFFLUX_STACK_HOME", None)
    env.update(overrides)
    env["AFFLUX_HOME"] = str(home)
    if reservations is not None:
        env.update(_free_ports(home, overrides, reservations))
    env.setdefault("AFFLUX_KAFKA", str(Settings.model_fields["kafka"].default))
    for name, port in DEFAULT_PORTS.items():
        env.setdefault(name, str(port))
    if not env.get("AFFLUX_POSTGRES"):
        env["AFFLUX_POSTGRES"] = PostgresFiles(home).dsn()
    if not env.get("AFFLUX_CLICKHOUSE"):
        env["AFFLUX_CLICKHOUSE"] = f"chdb://{home / 'clickhouse'}"
    if not env.get("AFFLUX_SECRET"):
        env["AFFLUX_SECRET"] = ensure_secret(home)
    return env


def refuse_taken(variable: str, host: str, port: int) -> None:
    """Errors: Refused when `port` is in use."""
    if is_taken(host, port):
        raise Refused(
            f"port {port} on {host} ({variable}) is taken by another program: "
            f"stop that program, set {variable} to another port, or use --free-ports"
        )


def bound_ports(workers: Iterable[str], env: Mapping[str, str]) -> Iterable[tuple[str, int]]:
    """Yield the public ports that `workers` will bind, with the variable that sets each."""
    for worker in workers:
        if variable := WORKER_PORTS.get(worker):
            yield variable, number(variable, env[variable])


def number(variable: str, value: str) -> int:
    """Return a port from its text. Errors: Refused when it is none."""
    if not value.isdigit() or not 0 < int(value) < 65536:
        raise Refused(f"{variable}={value!r} is no port: give a number from 1 to 65535")
    return int(value)


def refuse_full_disk(home: Path, needed: int = MIN_FREE_BYTES) -> None:
    """Make the home folder. Errors: Refused when it cannot be, or has too little room."""
    try:
        (home / "run").mkdir(parents=True, exist_ok=True)
        (home / "log").mkdir(exist_ok=True)
    except OSError as error:
        raise Refused(f"{home} cannot be used as a home: {error.strerror}") from error
    free = shutil.disk_usage(home).free
    if free < needed:
        raise Refused(
            f"the disk of {home} has {free >> 20} MB left and the stack needs {needed >> 20} MB: "
            "make room, or use --home on another disk"
        )


def disk_sentence(error: OSError, home: Path) -> str:
    """Return one sentence for an OSError met while a stack starts."""
    if error.errno == errno.ENOSPC:
        return f"the disk of {home} is full: make room and start again"
    return f"{error.filename or home}: {error.strerror or error}"


def _free_ports(
    home: Path, overrides: Mapping[str, str], reservations: Reservations
) -> dict[str, str]:
    last = parse_env(env_file(home).read_text()) if env_file(home).exists() else {}

    def choose(before: str) -> int:
        port = before.rpartition(":")[2]
        if port.isdigit() and reservations.reserve(int(port)):
            return int(port)
        return reservations.free_port()

    ports: dict[str, str] = {}
    for name in DEFAULT_PORTS.keys() - overrides.keys():
        ports[name] = str(choose(last.get(name, "")))
    if "AFFLUX_KAFKA" not in overrides:
        ports["AFFLUX_KAFKA"] = f"127.0.0.1:{choose(last.get('AFFLUX_KAFKA', ''))}"
    return ports
