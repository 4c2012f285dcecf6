"""The events: frozen structs, one a schema, one a topic."""

from afflux.kernel.events.attribution import (
    CreditSignal,
    Decision,
    Result,
    Share,
    Touch,
    TouchOutcome,
)
from afflux.kernel.events.common import Event, Item, int_key
from afflux.kernel.events.fraud import (
    Alert,
    Assessment,
    ClickCount,
    ClickFlag,
    FlagAction,
    Input,
    ReasonCount,
    RuleReason,
    Signal,
    Verdict,
)
from afflux.kernel.events.payouts import LedgerEntry
from afflux.kernel.events.system import CatalogChange, DeadLetterRecord, Header, Operation
from afflux.kernel.events.tracking import (
    Adjustment,
    AdjustmentKind,
    Authentication,
    Channel,
    Click,
    ClickOutcome,
    Conversion,
    Impression,
    PartitionReason,
    Rejection,
    Status,
)

EVENT_TYPES: tuple[type[Event], ...] = (
    Click,
    Impression,
    Conversion,
    Adjustment,
    Rejection,
    ClickFlag,
    ClickCount,
    Decision,
    Assessment,
    LedgerEntry,
    Alert,
    CatalogChange,
    DeadLetterRecord,
)
BY_TOPIC: dict[str, type[Event]] = {kind.topic: kind for kind in EVENT_TYPES}
BY_SCHEMA: dict[str, type[Event]] = {kind.schema: kind for kind in EVENT_TYPES}

__all__ = [
    "BY_SCHEMA",
    "BY_TOPIC",
    "EVENT_TYPES",
    "Adjustment",
    "AdjustmentKind",
    "Alert",
    "Assessment",
    "Authentication",
    "CatalogChange",
    "Channel",
    "Click",
    "ClickCount",
    "ClickFlag",
    "ClickOutcome",
    "Conversion",
    "CreditSignal",
    "DeadLetterRecord",
    "Decision",
    "Event",
    "FlagAction",
    "Header",
    "Impression",
    "Input",
    "Item",
    "LedgerEntry",
    "Operation",
    "PartitionReason",
    "ReasonCount",
    "Rejection",
    "Result",
    "RuleReason",
    "Share",
    "Signal",
    "Status",
    "Touch",
    "TouchOutcome",
    "Verdict",
    "int_key",
]
