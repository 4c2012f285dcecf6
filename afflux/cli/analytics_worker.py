"""The analytics worker, with what it needs of attribution: services never import each other."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.runtime.process import Runnable
from afflux.runtime.settings import Settings
from services.analytics import worker as analytics_worker
from services.attribution.domain.alternatives import alternatives


def build(settings: Settings) -> Sequence[Runnable]:
    """Return what `afflux worker analytics` runs: its traces ask attribution's models."""
    return analytics_worker.build(settings, alternatives)
