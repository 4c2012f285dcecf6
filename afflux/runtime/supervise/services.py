"""Our own processes: which workers each runs, and how it is run."""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import afflux
from afflux.runtime.supervise.spec import Spec


@dataclass(frozen=True)
class Service:
    """One process of ours: its name in the stack, its workers, what differs in its environment."""

    name: str
    workers: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str) -> Service:
        """Read `payouts`, or `screen+attribution`, or `name=screen+attribution`."""
        name, equals, workers = text.partition("=")
        return cls(name, tuple((workers if equals else name).split("+")))


STREAM = Service("stream", ("screen", "attribution", "assess", "payouts"))
DEFAULT_SERVICES: tuple[Service, ...] = (
    Service("shipper", ("shipper",)),
    Service("edge", ("edge",)),
    STREAM,
    Service("analytics", ("analytics",)),
    Service("monitor", ("monitor",)),
    Service("notify", ("notify",)),
)


def service_spec(service: Service, env: Mapping[str, str], admin_port: int) -> Spec:
    """Return how to run `service` with the stack's environment `env`."""
    root = str(Path(afflux.__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return Spec(
        name=service.name,
        command=(sys.executable, "-m", "afflux.cli.main", "worker", *service.workers),
        ready=lambda: healthy(admin_port),
        env={
            **env,
            **service.env,
            "AFFLUX_ADMIN_PORT": str(admin_port),
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
        },
        admin_port=admin_port,
    )


def healthy(admin_port: int) -> bool:
    """Tell whether the process behind `admin_port` says it is healthy."""
    return fetch(admin_port, "/healthz")[0] == 200


def fetch(admin_port: int, path: str, timeout_s: float = 1.0) -> tuple[int, bytes]:
    """Return status and body of an admin page; status 0 when nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
