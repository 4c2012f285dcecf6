"""Assessments and dead letters for the tests of the monitor."""

from __future__ import annotations

import msgspec

from afflux.kernel.events import Assessment, DeadLetterRecord
from afflux.kernel.ids import derive
from afflux.kernel.outcome import Emit
from afflux.kernel.types import Millis
from services.fraud.process import process_decision
from tests.fraud_samples import T0, catalog, change, decision, offer

__all__ = ["T0", "assessment", "letter"]
VIEW = catalog(change(offer()))


def assessment(version: int, screened: bool = True, partner: int = 103, at: int = T0) -> Assessment:
    """An assessment as fraud control writes it: a hold if not `screened`, else a pass."""
    decided = decision(version, screened=screened)
    shares = [msgspec.structs.replace(share, partner_id=partner) for share in decided.shares]
    decided = msgspec.structs.replace(decided, shares=shares, recorded_at=Millis(at))
    outcome = process_decision(decided, VIEW)
    assert isinstance(outcome, Emit)
    (event,) = outcome.events
    assert isinstance(event, Assessment)
    return event


def letter(number: int, at: int = T0) -> DeadLetterRecord:
    """Dead letter `number`: damaged bytes from the clicks."""
    return DeadLetterRecord(
        event_id=derive("letter", number),
        occurred_at=Millis(at),
        recorded_at=Millis(at),
        origin_topic="tracking.clicks",
        origin_partition=0,
        origin_offset=number,
        origin_key=b"k",
        origin_value=b"\x00\x00",
        stage="screen",
        reason="value_damaged",
        error="test",
    )
