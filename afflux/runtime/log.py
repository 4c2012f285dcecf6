"""Structured logs: event names with fields, one JSON line each, to standard error."""

from __future__ import annotations

import logging
import sys
from typing import cast

import structlog

TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
"""Where it failed, without the values of variables: those may name visitors or hold secrets."""


def configure_logging(process: str) -> None:
    """Set up structlog for this process; every line carries its name."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            TRACEBACKS,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger whose lines carry `source=name`."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger(source=name))
