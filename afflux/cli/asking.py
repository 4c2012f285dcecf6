"""Asking the KPI API."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import typer

from afflux.cli.errors import Refused

_TIMEOUT_S = 120.0


def ask(
    url: str, path: str, parameters: Sequence[tuple[str, str | int | float | bool | None]]
) -> str:
    """Return the body of an answer of the KPI API.

    Errors: typer.BadParameter when the question was wrong, Refused when nobody answers it.
    """
    try:
        answer = httpx.get(f"{url}{path}", params=list(parameters), timeout=_TIMEOUT_S)
    except httpx.TransportError as error:
        raise Refused(
            f"the KPI API at {url} does not answer ({error}): see `afflux status`"
        ) from error
    if answer.status_code == 422:
        raise typer.BadParameter(str(answer.json().get("detail")))
    if answer.status_code != 200:
        raise Refused(f"the KPI API at {url} answered {answer.status_code}: {answer.text[:200]}")
    return answer.text
