"""What keeps the partitions' stores: opening them, and checkpoints of them between batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from afflux.runtime.checkpointing import Keeper
from afflux.runtime.checkpoints import About
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.kafka_errors import KAFKA_TROUBLE
from afflux.runtime.log import get_logger
from afflux.runtime.settings import Settings
from services.attribution import lineage, rows
from services.attribution.history import History, KafkaHistory
from services.attribution.opening import STAGE, Opener
from services.attribution.state import State
from services.attribution.store import RocksTable

log = get_logger(__name__)
GROUP = f"afflux.{STAGE}"


class Upkeep:
    """Opens the partitions of one owner and makes their checkpoints."""

    def __init__(
        self, opener: Opener, keeper: Keeper | None = None, history: History | None = None
    ) -> None:
        self._opener = opener
        self._keeper = keeper
        self._history = history
        self._tables: dict[int, RocksTable] = {}

    async def open(self, numbers: Sequence[int]) -> Mapping[int, State]:
        """Open partitions; see Opener. Errors: StoreFault, OSError, Kafka's."""
        opened = await self._opener.open(numbers)
        for number, one in opened.items():
            self._tables[number] = one.table
            if self._keeper is not None:
                self._keeper.opened(number, now_ms())
        return {number: one.state for number, one in opened.items()}

    def closed(self, number: int) -> None:
        """Care for a partition no more; its state closes the table."""
        self._tables.pop(number, None)
        if self._keeper is not None:
            self._keeper.closed(number)

    async def look(self) -> None:
        """Make a checkpoint if one is due. Called when a batch is committed and none is begun."""
        number = None if self._keeper is None else self._keeper.due(now_ms())
        if self._keeper is None or number is None:
            return
        table = self._tables[number]
        await self._note_published(table)
        self._keeper.make(number, table.rocks, about(table))

    def end(self) -> None:
        """Give up a checkpoint under way."""
        if self._keeper is not None:
            self._keeper.end()

    async def _note_published(self, table: RocksTable) -> None:
        """Say in the state itself from where on decisions are unknown to this checkpoint.

        Without Kafka the earlier answer stays: it is lower, so that more is read, not less.
        """
        if self._history is None:
            return
        try:
            ends = await self._history.ends()
        except KAFKA_TROUBLE as error:
            log.warning("decisions_ends_not_known", error=repr(error))
            return
        lineage.note_published(table, ends)


def about(table: RocksTable) -> About:
    """Return what a checkpoint of this state holds."""
    epoch = lineage.meta_of(table).epoch
    return About(now_ms(), dict(lineage.offsets_of(table)), epoch, rows.FORMAT)


def upkeep_of(settings: Settings, codec: Codec) -> Upkeep:
    """Return the upkeep that the settings ask for."""
    root = settings.checkpoint_root / STAGE
    history = KafkaHistory(settings, codec, GROUP)
    grace_ms = settings.attribution_grace_s * 1000
    opener = Opener(settings.home / STAGE, root, grace_ms, history)
    keeper = Keeper(STAGE, root, settings.checkpoint_minutes, settings.checkpoint_keep)
    return Upkeep(opener, keeper, history)
