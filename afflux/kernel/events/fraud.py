"""Events that the two fraud processes emit."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from msgspec import Struct

from afflux.kernel.events.attribution import Decision
from afflux.kernel.events.common import Binary16, Event, Instant, int_key


class FlagAction(StrEnum):
    """`flag`: noted. `invalid`: does not count as a valid click. `screened`: a watermark."""

    FLAG = "flag"
    INVALID = "invalid"
    SCREENED = "screened"


class Signal(Struct, frozen=True, kw_only=True):
    """One thing a rule saw; only `exact` evidence may deny money (law F1)."""

    name: str
    version: int
    evidence: str
    exact: bool


class ClickFlag(Event, frozen=True, kw_only=True):
    """A verdict on one click, or the screen's progress.

    A `screened` record (no click) says: every click of `source_partition` below `source_offset`
    has been judged and its flag, if any, stands before this record in the same partition. Without
    it a reader could not tell a clean click from one that nobody has looked at yet.
    """

    topic: ClassVar[str] = "fraud.click-flags"
    schema: ClassVar[str] = "click-flag"

    action: FlagAction
    click_id: Binary16 | None = None
    visitor_key: Binary16 | None = None
    partner_id: int | None = None
    offer_id: int | None = None
    link_id: int | None = None
    signals: list[Signal] = []
    source_partition: int
    source_offset: int

    @property
    def key(self) -> bytes:
        return self.visitor_key or b""

    @property
    def partition(self) -> int | None:
        return self.source_partition


class ReasonCount(Struct, frozen=True, kw_only=True):
    """How many clicks a reason made invalid."""

    reason: str
    count: int


class ClickCount(Event, frozen=True, kw_only=True):
    """Valid and invalid clicks of a partner's offer in an hour, within one range of offsets."""

    topic: ClassVar[str] = "fraud.click-counts"
    schema: ClassVar[str] = "click-count"

    partner_id: int
    offer_id: int
    hour: Instant
    kind: str
    valid: int
    invalid: list[ReasonCount] = []
    source_partition: int
    from_offset: int
    to_offset: int

    @property
    def key(self) -> bytes:
        return int_key(self.partner_id)


class Verdict(StrEnum):
    """What fraud control says of a conversion."""

    PASS = "pass"
    HOLD = "hold"
    REJECT = "reject"


class Input(Struct, frozen=True, kw_only=True):
    """A value a rule looked at."""

    name: str
    value: str


class RuleReason(Struct, frozen=True, kw_only=True):
    """Why a rule fired: its version, what it looked at, its threshold, what it asks for."""

    rule: str
    version: int
    action: Verdict
    inputs: list[Input]
    threshold: str | None = None
    exact: bool


class Assessment(Event, frozen=True, kw_only=True):
    """A verdict on a decision, with the decision inside, so that payouts reads one topic."""

    topic: ClassVar[str] = "fraud.assessments"
    schema: ClassVar[str] = "assessment"

    conversion_key: Binary16
    version: int
    decision_id: Binary16
    decision_version: int
    verdict: Verdict
    reasons: list[RuleReason] = []
    rules_version: int
    decision: Decision

    @property
    def key(self) -> bytes:
        return self.conversion_key


class Alert(Event, frozen=True, kw_only=True):
    """What the monitor wants a person to see. Never read by the money path."""

    topic: ClassVar[str] = "monitor.alerts"
    schema: ClassVar[str] = "alert"

    subject: str
    name: str
    text: str
    value: str
    threshold: str
    since: Instant

    @property
    def key(self) -> bytes:
        return self.subject.encode()
