"""What a client saw against what is in Kafka: laws T1 and T2 over one edge's life."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from afflux.kernel.events import Click, Conversion, Event
from afflux.kernel.token import verify
from afflux.runtime.settings import Settings
from services.tracking.journal import journal_counts
from tests.tracking_samples import CLICK_KEYS
from tests.tracking_stack import shipped


def position(event: Event) -> int:
    """Return an event's place in its edge's journal."""
    value = getattr(event, "journal_position", None)
    assert isinstance(value, int)
    return value


def of_edge(settings: Settings, edge_id: str) -> list[Event]:
    """Return what Kafka has of one edge."""
    return [e for e in shipped(settings) if getattr(e, "edge_id", None) == edge_id]


def assert_nothing_lost_or_invented(
    settings: Settings, history: Path, edge_id: str = "edge-1", lost: Collection[int] = ()
) -> int:
    """The client's history, the journal's own counts and Kafka agree; return the answered events.

    Positions in `lost` are known to be gone: so many answered events may be missing.
    """
    events = of_edge(settings, edge_id)
    clicks = Counter(event.click_id for event in events if isinstance(event, Click))
    txns = Counter(event.transaction_id for event in events if isinstance(event, Conversion))
    lines = [line.split() for line in history.read_text().splitlines()]
    answered = [verify(line[1], CLICK_KEYS).click_id for line in lines if line[0] == "click"]
    sold = [line[1] for line in lines if line[0] == "conversion"]
    assert answered and sold
    missing = [one for one in answered if not clicks[one]] + [one for one in sold if not txns[one]]
    assert len(missing) <= len(lost), f"answered, and not in Kafka: {missing}"
    assert max(clicks.values()) == max(txns.values()) == 1, "nothing stands there twice"
    asked = all_asked(history)
    assert [e for e in events if isinstance(e, Click) and not asked.issuperset(e.sub)] == []
    assert [txn for txn in txns if txn not in asked] == []
    places = sorted([*map(position, events), *lost])
    assert places == list(range(len(places))), "positions have no gap"
    counts = journal_counts(settings.home / "journal" / edge_id)
    assert counts["click"] + counts["conversion"] == clicks.total() + txns.total() + len(lost)
    return len(lines)


def all_asked(history: Path) -> set[str]:
    """Return what clients asked for, in this test and in those before it in the same folder: an
    edge may outlive a test."""
    files = history.parent.parent.glob("*/*.asked")
    return {line for file in files for line in file.read_text().splitlines()}
