"""Trial runs beside the decisions that a stage is about to publish."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.kernel.events import Decision, Event, ShadowDecision
from afflux.runtime import metrics
from afflux.runtime.log import get_logger
from services.attribution.domain.shadow import TrialRuns

log = get_logger(__name__)


def beside(stage: str, runs: TrialRuns, outputs: Sequence[Event]) -> list[ShadowDecision]:
    """Return what trial runs say of the decisions among `outputs`.

    One that fails is logged and counted, and says nothing: it must not stop what money depends on.
    """
    found: list[ShadowDecision] = []
    failed: dict[str, str] = {}
    for decision in outputs:
        if not isinstance(decision, Decision):
            continue
        try:
            found += runs.of(decision)
        except Exception as error:  # noqa: BLE001 - a trial must not stop the real thing
            failed[decision.conversion_key.hex()] = repr(error)
    if failed:
        metrics.DROPPED.labels(stage, "shadow_failed").inc(len(failed))
        key, error_text = next(iter(failed.items()))
        log.error("shadow_failed", count=len(failed), conversion_key=key, error=error_text)
    return found
