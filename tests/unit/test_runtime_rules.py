"""Small rules of the runtime: the share of dead letters, progress, splitting of migrations."""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition

from afflux.runtime.deadletters import DeadLetterLimit, TooManyDeadLetters
from afflux.runtime.log import TRACEBACKS
from afflux.runtime.migrate import EditedHistory, Migration, migrate, statements
from afflux.runtime.progress import STALLED_AFTER_S, Progress


def test_S1_a_few_dead_letters_never_stop_a_service() -> None:
    limit = DeadLetterLimit(0.2)
    for _ in range(100):
        limit.count(good=50, bad=10)


def test_S1_dead_letters_over_the_share_stop_it() -> None:
    limit = DeadLetterLimit(0.2)
    limit.count(good=400, bad=90)
    with pytest.raises(TooManyDeadLetters, match=r"share of 0\.2"):
        limit.count(good=0, bad=100)


def test_S1_old_dead_letters_are_forgotten() -> None:
    limit = DeadLetterLimit(0.2)
    limit.count(good=400, bad=90)
    limit.count(good=1_000, bad=0)
    limit.count(good=900, bad=99)


class Highwater:
    """Knows the end of a partition, as a consumer does."""

    def __init__(self, end: int) -> None:
        self._end = end

    def highwater(self, part: TopicPartition) -> int:
        return self._end


def test_S3_health_is_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("afflux.runtime.progress.time.monotonic", lambda: now[0])
    part = TopicPartition("tracking.clicks", 0)
    progress = Progress("stage")
    progress.assigned({part: 0})

    progress.turned(Highwater(0))  # type: ignore[arg-type]
    now[0] += STALLED_AFTER_S - 1
    progress.turned(Highwater(5))  # type: ignore[arg-type]
    assert progress.healthy, "lag that has just come is no fault"
    assert progress.lag == 5

    now[0] += STALLED_AFTER_S + 1
    progress.turned(Highwater(5))  # type: ignore[arg-type]
    assert not progress.healthy, "lag that does not shrink is one"

    progress.committed({part: 5})
    assert progress.healthy
    now[0] += STALLED_AFTER_S + 1
    assert not progress.healthy, "a loop that no longer turns is a fault without any lag"


def test_scripts_are_split_at_the_ends_of_lines_and_bodies_stay_whole() -> None:
    script = (
        "-- why\nCREATE TABLE a (x int);\n\nDO $$\nBEGIN;\nEND;\n$$;\nSELECT ';' AS b;\nSELECT 2"
    )
    assert statements(script) == (
        "CREATE TABLE a (x int)",
        "DO $$\nBEGIN;\nEND;\n$$",
        "SELECT ';' AS b",
        "SELECT 2",
    )


class Applied:
    """A database that only remembers."""

    def __init__(self) -> None:
        self.done: dict[str, str] = {}

    def applied(self) -> dict[str, str]:
        return dict(self.done)

    def apply(self, migration: Migration) -> None:
        self.done[migration.name] = migration.checksum


def test_migrations_are_applied_once_and_edited_history_is_refused() -> None:
    first, second = Migration("0001_a.sql", "x", ()), Migration("0002_b.sql", "y", ())
    target = Applied()
    assert migrate(target, [first]) == ["0001_a.sql"]
    assert migrate(target, [first, second]) == ["0002_b.sql"]
    assert migrate(target, [first, second]) == []
    with pytest.raises(EditedHistory, match=r"0001_a\.sql was edited"):
        migrate(target, [Migration("0001_a.sql", "other", ()), second])
    with pytest.raises(EditedHistory, match=r"0002_b\.sql is gone"):
        migrate(target, [first])


def test_S4_T5_a_logged_failure_tells_where_and_no_values() -> None:
    def fail(visitor: str) -> None:
        raise RuntimeError(f"{len(visitor)} is no good")

    try:
        fail("a-visitor-nobody-may-read-of")
    except RuntimeError:
        told = str(TRACEBACKS(None, "error", {"event": "failed", "exc_info": True}))
    assert "28 is no good" in told and "'name': 'fail'" in told
    assert "nobody-may-read" not in told
