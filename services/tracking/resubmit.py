"""Reading what the edges refused, and sending it again through an edge."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

import httpx
from msgspec import Struct

from afflux.kernel.events import Rejection
from afflux.kernel.types import Millis
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import read_topic
from afflux.runtime.pg import connect_async, errors
from afflux.runtime.refused import Refused
from afflux.runtime.settings import Settings
from services.tracking import resubmit_queries as queries
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.resubmission import Draft, draft, signed_headers
from services.tracking.resubmit_queries import Attempt, Db

MIN_PREFIX = 6
_TRIES = 5
_LONGEST_WAIT_S = 30
_TIMEOUT_S = 20
ACCEPT = {"accept": "application/json"}
"""A pixel would be answered with a picture, which does not say what became of the report."""


class Filter(Struct, frozen=True):
    """Which rejections are meant; None is all."""

    advertiser_id: int | None = None
    reason: str | None = None
    since: Millis | None = None

    def takes(self, rejection: Rejection) -> bool:
        """Return whether a rejection is meant."""
        return (
            self.advertiser_id in (None, rejection.advertiser_id)
            and self.reason in (None, rejection.reason)
            and (self.since is None or rejection.occurred_at >= self.since)
        )


class Kept(Struct, frozen=True):
    """A rejection, and the attempt to resubmit it that counts."""

    rejection: Rejection
    attempt: Attempt | None = None

    @property
    def id(self) -> str:
        """The id that commands take: 32 hexadecimal digits."""
        return self.rejection.event_id.hex()


class Wish(Struct, frozen=True):
    """How to resubmit: which fields to change, whose a report of no proven sender is, who asks."""

    changes: Mapping[str, str]
    advertiser_id: int | None
    author: str


async def read_rejections(settings: Settings, wanted: Filter) -> list[Kept]:
    """Return the rejections that are meant, oldest first; a repeat of the shipper's stands once."""
    async with _database(settings) as db:
        attempts = await queries.attempts(db)
    found: dict[bytes, Rejection] = {}
    async for records in read_topic(settings, [Rejection.topic], Codec.load()):
        for record in records:
            if isinstance(record.event, Rejection) and wanted.takes(record.event):
                found.setdefault(record.event.event_id, record.event)
    ordered = sorted(found.values(), key=lambda each: (each.occurred_at, each.event_id))
    return [Kept(each, attempts.get(each.event_id)) for each in ordered]


def choose(rejections: Sequence[Kept], ids: Iterable[str]) -> list[Kept]:
    """Return the rejections with these ids, or the unambiguous beginnings of ids.

    Errors: Refused, naming the id, when none or more than one begins with it.
    """
    chosen: dict[str, Kept] = {}
    for text in ids:
        if len(text) < MIN_PREFIX:
            raise Refused(f"{text!r} is too short: give at least {MIN_PREFIX} digits of an id")
        matches = [each for each in rejections if each.id.startswith(text.lower())]
        if not matches:
            raise Refused(f"no rejection has the id {text!r}; `afflux rejections list` shows them")
        if len(matches) > 1:
            raise Refused(f"{len(matches)} rejections begin with {text!r}: give more digits")
        chosen[matches[0].id] = matches[0]
    return list(chosen.values())


def prepare(kept: Kept, wish: Wish) -> tuple[Draft, int] | Refusal:
    """Return what is to be sent and whose it is, or why it cannot be sent."""
    owner = kept.rejection.advertiser_id
    owner = wish.advertiser_id if owner is None else owner
    if owner is None:
        return Refusal("sender_unproven", "say --as ADVERTISER if you know whose report it is")
    made = draft(kept.rejection, wish.changes)
    return made if isinstance(made, Refusal) else (made, owner)


async def resubmit(
    settings: Settings, chosen: Sequence[Kept], wish: Wish
) -> AsyncIterator[tuple[Kept, dict[str, object]]]:
    """Send rejections again, one after the other, and yield each with the edge's answer.

    A refusal of ours looks like one of the edge's. Errors: Refused when the edge does not answer.
    """
    secret = settings.secret.get_secret_value().encode()
    async with _database(settings) as db, httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
        for kept in chosen:
            made = prepare(kept, wish)
            if isinstance(made, Refusal):
                yield kept, made.as_answer()
                continue
            try:
                answer = await _send(client, settings.edge_url, secret, *made)
            except httpx.TransportError as error:
                raise Refused(
                    f"the edge at {settings.edge_url} does not answer: {error}"
                ) from error
            attempt = Attempt(now_ms(), outcome(answer), _reason(answer), wish.author)
            await queries.note(db, kept.rejection.event_id, attempt, wish.changes)
            yield kept, answer


def outcome(answer: Mapping[str, object]) -> str:
    """Return `accepted`, `duplicate` or `refused`; a batch is refused if one of its items is."""
    if "results" not in answer:
        status = answer.get("status")
        return str(status) if status in ("accepted", "duplicate", "dry run") else "refused"
    if answer.get("refused"):
        return "refused"
    return "accepted" if answer.get("accepted") else "duplicate"


def _reason(answer: Mapping[str, object]) -> str | None:
    results = answer.get("results")
    told = [answer, *(results if isinstance(results, list) else [])]
    return next((str(each["reason"]) for each in told if each.get("reason")), None)


async def _send(
    client: httpx.AsyncClient, edge_url: str, secret: bytes, made: Draft, advertiser_id: int
) -> dict[str, object]:
    """Send, waiting as long as the edge says where it is busy; each try is signed anew."""
    for left in range(_TRIES - 1, -1, -1):
        ts, nonce = str(int(time.time())), secrets.token_hex(16)
        answer = await client.request(
            made.method,
            f"{edge_url}{made.path}?{made.query}",
            headers=signed_headers(made, secret, advertiser_id, ts, nonce) | ACCEPT,
            content=made.body or None,
        )
        wait = answer.headers.get("retry-after", "")
        if answer.status_code not in (429, 503) or not wait.isdigit() or not left:
            break
        await asyncio.sleep(min(int(wait), _LONGEST_WAIT_S))
    try:
        told = answer.json()
    except ValueError:
        told = {}
    return told if isinstance(told, dict) and told else _unreadable(answer)


def _unreadable(answer: httpx.Response) -> dict[str, object]:
    detail = f"the edge answered {answer.status_code}: {answer.text[:200]!r}"
    return {"status": "refused", "code": answer.status_code, "reason": None, "detail": detail}


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Db]:
    try:
        db = await connect_async(settings.postgres, autocommit=True)
    except errors.OperationalError as error:
        raise Refused(f"PostgreSQL does not answer: {str(error).splitlines()[0]}") from error
    async with db:
        yield db
