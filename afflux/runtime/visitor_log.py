"""What the log holds of a visitor: the records with its key, in the topics that are keyed by it."""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.events import Click, ClickFlag, Conversion, Erasure, Impression
from afflux.runtime.log_reader import read_raw
from afflux.runtime.settings import Settings
from afflux.runtime.topics import load_topics

_TOPICS = (Click.topic, Impression.topic, ClickFlag.topic, Conversion.topic, Erasure.topic)


class Held(Struct):
    """Records of one topic, and how long Kafka keeps them."""

    records: int
    retention: str


async def held_of(settings: Settings, visitor_key: bytes) -> list[tuple[str, Held]]:
    """Return what each topic holds; reads them from their beginnings to their ends as of now."""
    topics = load_topics()
    found = {name: Held(0, _retention(topics[name].retention)) for name in _TOPICS}
    async for raws in read_raw(settings, _TOPICS):
        found[raws[0].topic].records += sum(raw.key == visitor_key for raw in raws)
    return list(found.items())


def _retention(retention: int | str) -> str:
    return retention if isinstance(retention, str) else f"{retention} days"
