"""Opening partitions: which state, which epoch, and from where on the log is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from afflux.kernel.events import Click, ClickFlag
from afflux.runtime import metrics
from afflux.runtime.checkpoints import Checkpoints
from afflux.runtime.log import get_logger
from afflux.runtime.log_reader import TopicPartition
from afflux.runtime.restoring import Mark, Source, prepare, seen
from afflux.runtime.rocks import Rocks
from services.attribution import lineage, rows
from services.attribution.history import History
from services.attribution.lineage import Standing
from services.attribution.state import State
from services.attribution.store import RocksTable

log = get_logger(__name__)
STAGE = "attribution"


class Opened:
    """A partition's table and state, taken over."""

    def __init__(self, table: RocksTable, mark: Mark) -> None:
        self.table = table
        self.mark = mark
        self.state = State(table)

    def own(self) -> None:
        """Begin an owner epoch where needed; the state is read anew, as it was told meanwhile."""
        self.state = State(self.table)
        self.state.take_ownership()
        seen(self.table.folder)
        metrics.RESTORES.labels(STAGE, self.mark.source).inc()


class Opener:
    """Opens partitions in `folder`/PARTITION, with checkpoints in `checkpoints`/PARTITION."""

    def __init__(
        self, folder: Path, checkpoints: Path, grace_ms: int, history: History | None = None
    ) -> None:
        """Without a `history` nothing was ever published by anybody else."""
        self._folder = folder
        self._checkpoints = checkpoints
        self._grace_ms = grace_ms
        self._history = history

    async def open(self, numbers: Sequence[int]) -> Mapping[int, Opened]:
        """Open the partitions and return them by number. Errors: StoreFault, OSError, Kafka's."""
        opened: dict[int, Opened] = {}
        try:
            for number in numbers:
                opened[number] = self._one(number)
            if opened and self._history is not None:
                await self._learn(opened, self._history)
            for one in opened.values():
                one.own()
        except BaseException:
            for one in opened.values():
                one.table.close()
            raise
        return opened

    def _one(self, number: int) -> Opened:
        live = self._folder / str(number)
        checkpoints = Checkpoints(self._checkpoints / str(number))
        mark = prepare(live, checkpoints, read_offsets, rows.FORMAT)
        log.info("state_opened", partition=number, opened_from=mark.source, checkpoint=mark.number)
        return Opened(RocksTable(live), mark)

    async def _learn(self, opened: Mapping[int, Opened], history: History) -> None:
        """Tell the states that are not the newest what was published since."""
        committed = await history.committed()
        lost = {
            number: one
            for number, one in opened.items()
            if one.mark.source is not Source.LIVE or _is_behind(number, one, committed)
        }
        if not lost:
            return
        anew = [one for one in lost.values() if one.mark.source is Source.LOG]
        highest, standing = 0, Standing(self._grace_ms)
        async for decisions in history.decisions(_lowest(lost.values())):
            highest = max(highest, *(one.version for one in decisions), 0)
            if anew:
                _leave(anew, standing.take(decisions))
        _leave(anew, standing.standing())
        for number, one in lost.items():
            lineage.rise_above(one.table, highest)
            log.warning(
                "versions_rise", partition=number, above=highest, opened_from=one.mark.source
            )
            if one.mark.since is not None:
                _begin(number, one, await history.since(one.mark.since))


def read_offsets(rocks: Rocks) -> Mapping[str, int]:
    """Return the next offsets by topic that a store holds."""
    return lineage.offsets_of(RocksTable.over(rocks))


def _is_behind(number: int, one: Opened, committed: Mapping[TopicPartition, int]) -> bool:
    """Return whether somebody has committed more than this state knows."""
    return any(
        committed.get(TopicPartition(topic, number), 0) > offset
        for topic, offset in lineage.offsets_of(one.table).items()
    )


def _lowest(lost: Iterable[Opened]) -> Mapping[int, int]:
    """Return, by partition of the decisions, the lowest offset that one of these has not seen."""
    ends = [lineage.published_ends(one.table) for one in lost]
    known = set(ends[0]).intersection(*ends[1:])
    return {part: min(one[part] for one in ends) for part in known}


def _leave(anew: Sequence[Opened], settled: Sequence[lineage.Settled]) -> None:
    for one in anew:
        lineage.leave_decided(one.table, settled)


def _begin(number: int, one: Opened, first: Mapping[TopicPartition, int]) -> None:
    lineage.begin_at(
        one.table,
        first.get(TopicPartition(Click.topic, number), 0),
        first.get(TopicPartition(ClickFlag.topic, number), 0),
    )
