"""Waiting for what reads or writes the log, on behalf of a person."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from afflux.cli.errors import Refused
from afflux.runtime.kafka_errors import KAFKA_TROUBLE
from afflux.runtime.settings import Settings

T = TypeVar("T")


def wait(settings: Settings, work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns. Errors: Refused when Kafka does not answer."""
    try:
        return asyncio.run(work)
    except KAFKA_TROUBLE as error:
        raise Refused(f"Kafka at {settings.kafka} does not answer: {error}") from error
