"""`afflux import`: history from a CSV into the topics of live traffic, each row once.

A batch of rows is claimed in PostgreSQL, published, and marked as sent. A crash between leaves
claimed rows, which the next run of the file publishes again with the same ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from afflux.kernel.keys import click_key, derive_key
from afflux.kernel.types import Id16
from afflux.runtime.catalog_store import apply_plan, load_catalog
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.pg import connect_async, errors
from afflux.runtime.producer import Publisher
from afflux.runtime.refused import Refused
from afflux.runtime.settings import Settings
from services.tracking import importer_queries as queries
from services.tracking.domain.agents import Classifier
from services.tracking.domain.privacy import customer_secret
from services.tracking.domain.refusal import Refusal
from services.tracking.importer_catalog import Creation, Index, Wanted, creation_plan
from services.tracking.importer_file import CsvFile, Line, RejectedFile
from services.tracking.importer_map import ImportMap
from services.tracking.importer_queries import Db, Known
from services.tracking.importer_rows import Context, Keys, Ready, build_row, wanted

BATCH = 2_000
Tell = Callable[[int, int], None]
"""Hears the bytes read so far and the rows read so far."""


class Summary(Struct):
    """What a run did, in rows; `created` counts entities added to the catalogue."""

    read: int = 0
    skipped: int = 0
    sent: int = 0
    repeated: int = 0
    refused: int = 0
    created: int = 0
    reasons: dict[str, int] = {}
    rejected_file: str | None = None

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """Read, skipped, sent, repeated, refused."""
        return self.read, self.skipped, self.sent, self.repeated, self.refused


class Source(Struct, frozen=True):
    """A file to import: where it is, its digest with the map, and what its columns mean."""

    path: Path
    digest: str
    map: ImportMap


async def import_file(
    settings: Settings, source: Source, file: CsvFile, agents: Classifier, tell: Tell
) -> Summary:
    """Import an open file; return what was done.

    Errors: Refused when another import runs, a store does not answer, or a `create` block of the
    map does not fit the catalogue; PublishError when Kafka takes nothing.
    """
    rejected = RejectedFile(source.path, file.header)
    publisher = Publisher(settings, Codec.load(), "import")
    async with _database(settings) as db:
        try:
            run = Run(settings, source, db, publisher, rejected, agents)
            await run.open()
            await run.take_all(file, tell)
        finally:
            await publisher.stop()
            rejected.close()
    if run.summary.refused:
        run.summary.rejected_file = str(rejected.path)
    return run.summary


class Run:
    """One import under way."""

    def __init__(
        self,
        settings: Settings,
        source: Source,
        db: Db,
        publisher: Publisher,
        rejected: RejectedFile,
        agents: Classifier,
    ) -> None:
        self.summary = Summary()
        self._settings = settings
        self._source = source
        self._db = db
        self._publisher = publisher
        self._rejected = rejected
        self._reasons: Counter[str] = Counter()
        self._context = Context(
            source.map,
            _keys(settings),
            f"import:{source.digest}",
            settings.tenant_id,
            agents,
        )
        self._index: Index | None = None
        self._run = 0

    async def open(self) -> None:
        """Load the catalogue and note the start."""
        await self._reload()
        source = self._source
        self._run = await queries.start_run(
            self._db, source.map.kind, str(source.path), source.digest, now_ms()
        )

    async def take_all(self, file: CsvFile, tell: Tell) -> None:
        """Import every row of the file, in batches."""
        batch: list[Line] = []
        for line in file:
            self.summary.read += 1
            if isinstance(line.row, Refusal):
                self._refuse(line, line.row)
            elif all(condition.holds(line.row) for condition in self._source.map.where):
                batch.append(line)
            else:
                self.summary.skipped += 1
            if len(batch) == BATCH:
                await self.take(batch)
                batch = []
            if self.summary.read % BATCH == 0:
                tell(file.bytes_read, self.summary.read)
        await self.take(batch)
        tell(file.bytes_read, self.summary.read)
        await queries.note_run(self._db, self._run, self.summary.counts, now_ms())

    async def take(self, batch: Sequence[Line]) -> None:
        """Import some rows; all of them are claimed, sent and marked, or refused."""
        if not batch:
            return
        rows = [line.row for line in batch if not isinstance(line.row, Refusal)]
        await self._create_missing(wanted(rows, self._source.map))
        built = self._built(batch)
        if built:
            await self._send(built)
        await queries.note_run(self._db, self._run, self.summary.counts, None)

    async def _create_missing(self, names: Wanted) -> None:
        assert self._index is not None
        found = self._source.map
        creation = Creation(
            found.partner.create if found.partner else None,
            found.offer.create if found.offer else None,
            found.create_links,
        )
        try:
            if not self._index.missing(names, creation):
                return
            done = await apply_plan(
                self._settings,
                lambda catalog, now: creation_plan(catalog, now, names, creation),
                "import",
                f"named by {self._source.path.name}",
            )
        except ValueError as error:
            raise Refused(f"the map cannot create what is missing: {error}") from error
        self.summary.created += len(done.plan.steps)
        await self._reload()

    def _built(self, batch: Sequence[Line]) -> list[tuple[Line, Ready]]:
        assert self._index is not None
        now = now_ms()
        built = []
        for line in batch:
            assert not isinstance(line.row, Refusal)
            made = build_row(line.row, line.position, self._index, now, self._context)
            if isinstance(made, Refusal):
                self._refuse(line, made)
            else:
                built.append((line, made))
        return built

    async def _send(self, built: Sequence[tuple[Line, Ready]]) -> None:
        """Publish the first row of each id, unless it was sent before; judge the others by it."""
        groups: dict[Id16, list[tuple[Line, Ready]]] = {}
        for line, made in built:
            groups.setdefault(made.row_id, []).append((line, made))
        claims = [
            (row_id, own[0][1].body_hash, own[0][0].position) for row_id, own in groups.items()
        ]
        known = await queries.claim(self._db, self._source.map.kind, self._source.digest, claims)
        due: list[Ready] = []
        for row_id, own in groups.items():
            due += self._due(own, known.get(row_id))
        await self._publisher.publish([made.event for made in due])
        await queries.mark_sent(self._db, [made.row_id for made in due])
        self.summary.sent += len(due)

    def _due(self, rows: Sequence[tuple[Line, Ready]], before: Known | None) -> list[Ready]:
        """Return what to send of the rows with one id; the others repeat it or contradict it."""
        said = rows[0][1].body_hash if before is None else before.body_hash
        due: list[Ready] = []
        for line, made in rows:
            if made.body_hash != said:
                detail = "another row with the same key and other content was imported before"
                self._refuse(line, Refusal("conflicting_report", detail))
            elif due or (before is not None and before.sent):
                self.summary.repeated += 1
            else:
                due.append(made)
        return due

    def _refuse(self, line: Line, refusal: Refusal) -> None:
        self.summary.refused += 1
        self._reasons[refusal.reason] += 1
        self.summary.reasons = dict(self._reasons)
        self._rejected.write(line, refusal)

    async def _reload(self) -> None:
        self._index = Index(await load_catalog(self._settings), now_ms())


def _keys(settings: Settings) -> Keys:
    secret = settings.secret.get_secret_value().encode()
    try:
        ids = [int(text) for text in settings.click_key_ids.split(",")]
        return Keys(
            visitor=derive_key(secret, "import-visitor"),
            customer=customer_secret(secret),
            address=derive_key(secret, "import-address"),
            clicks={key_id: click_key(secret, key_id) for key_id in ids},
        )
    except ValueError as error:
        raise Refused(f"the keys of this home cannot be derived: {error}") from error


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Db]:
    try:
        db = await connect_async(settings.postgres, autocommit=True)
    except errors.OperationalError as error:
        raise Refused(f"PostgreSQL does not answer: {str(error).splitlines()[0]}") from error
    async with db:
        if not await queries.try_lock(db):
            raise Refused("another import is running; wait until it is done")
        yield db
