"""Wiring of the assessment."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.runtime.catalog_follower import CatalogFollower
from afflux.runtime.codec import Codec
from afflux.runtime.loop import Loop
from afflux.runtime.process import Runnable
from afflux.runtime.settings import Settings
from services.fraud.assess_stage import AssessStage
from services.fraud.offers import Following


def build(settings: Settings) -> Sequence[Runnable]:
    """Return the assessment, ready to run."""
    codec = Codec.load()
    follower = CatalogFollower(settings, codec)
    stage = AssessStage(settings.home / "fraud-assess", follower)
    return [Following(Loop(settings, stage, codec), follower)]
