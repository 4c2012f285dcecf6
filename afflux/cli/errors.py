"""Errors of commands that people can act on."""

from __future__ import annotations

from afflux.runtime.refused import Refused

__all__ = ["Refused"]
