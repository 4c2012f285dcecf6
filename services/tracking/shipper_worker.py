"""Wiring of the shipper: one for each edge id, beside its edge."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.runtime.codec import Codec
from afflux.runtime.process import Runnable
from afflux.runtime.settings import Settings
from services.tracking.shipper import Shipper
from services.tracking.user_agents import UserAgents


def build(settings: Settings) -> Sequence[Runnable]:
    """Return the shipper of AFFLUX_EDGE_ID's journal."""
    return [Shipper(settings, Codec.load(), UserAgents())]
