"""The SQL of resubmissions: what was sent again, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from afflux.kernel.types import Millis
from afflux.runtime.pg import AsyncConnection

Db = AsyncConnection[tuple[object, ...]]


class Attempt(Struct, frozen=True):
    """One resubmission: `outcome` is `accepted`, `duplicate` or `refused`, then with a reason."""

    sent_at: Millis
    outcome: str
    reason: str | None
    author: str

    @property
    def done(self) -> bool:
        """Whether the report is kept now."""
        return self.outcome != "refused"


async def note(db: Db, rejection_id: bytes, attempt: Attempt, changes: Mapping[str, str]) -> None:
    """Write an attempt."""
    await db.execute(
        "INSERT INTO tracking.resubmissions "
        "(rejection_id, sent_at, outcome, reason, changes, author) "
        "VALUES (%s, %s, %s, %s, %s, %s)",
        (
            rejection_id,
            attempt.sent_at,
            attempt.outcome,
            attempt.reason,
            msgspec.json.encode(changes).decode(),
            attempt.author,
        ),
    )


async def attempts(db: Db) -> dict[bytes, Attempt]:
    """Return of each rejection the attempt that counts: the one that succeeded, else the last."""
    rows = await db.execute(
        "SELECT rejection_id, sent_at, outcome, reason, author FROM tracking.resubmissions "
        "ORDER BY id"
    )
    found: dict[bytes, Attempt] = {}
    async for rejection_id, sent_at, outcome, reason, author in rows:
        assert isinstance(rejection_id, bytes) and isinstance(sent_at, int)
        known = found.get(rejection_id)
        if known is None or not known.done:
            why = None if reason is None else str(reason)
            found[rejection_id] = Attempt(Millis(sent_at), str(outcome), why, str(author))
    return found
