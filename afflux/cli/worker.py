"""`afflux worker NAME...`: run workers in this process."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from afflux.runtime.settings import settings

BUILDERS = {
    "shipper": "services.tracking.shipper_worker",
    "screen": "services.fraud.screen_worker",
    "attribution": "services.attribution.worker",
    "assess": "services.fraud.assess_worker",
    "payouts": "services.payouts.worker",
    "analytics": "afflux.cli.analytics_worker",
    "notify": "services.notify.worker",
}
OWN_PROCESS = {
    "edge": "services.tracking.edge_worker",
    "monitor": "services.monitor.worker",
}
KNOWN = ", ".join([*OWN_PROCESS, *BUILDERS])


def worker(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help=f"Workers: {KNOWN}.")],
) -> None:
    """Run the named workers in this process, with the settings of the environment.

    edge and monitor own their process; the others can share one. /healthz, /metrics and /status
    are on AFFLUX_ADMIN_PORT. SIGTERM drains and leaves.

    Example: AFFLUX_ADMIN_PORT=9100 afflux worker attribution payouts
    """
    check_names(names)
    if names[0] in OWN_PROCESS:
        import_module(OWN_PROCESS[names[0]]).main(settings())
        return
    from afflux.runtime.process import run_workers  # noqa: PLC0415 - not needed by the edge

    builders = [import_module(BUILDERS[name]).build for name in names]
    run_workers(builders, settings(), "+".join(names))


def check_names(names: list[str]) -> None:
    """Errors: typer.BadParameter when a name is unknown, repeated, or cannot share a process."""
    unknown = [name for name in names if name not in BUILDERS and name not in OWN_PROCESS]
    if unknown:
        raise typer.BadParameter(f"unknown: {', '.join(unknown)}; there are {KNOWN}")
    if len(set(names)) != len(names):
        raise typer.BadParameter("a worker is named twice")
    alone = [name for name in names if name in OWN_PROCESS]
    if alone and len(names) > 1:
        raise typer.BadParameter(f"{alone[0]} owns its process: run it in a command of its own")
