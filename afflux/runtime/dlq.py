"""Reading the dead letters, and putting records back where they came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from afflux.kernel.events import DeadLetterRecord
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import TopicPartition, read_raw, read_topic
from afflux.runtime.producer import Publisher, Raw
from afflux.runtime.refused import Refused
from afflux.runtime.settings import Settings

REPLAY_OF = "afflux-replay-of"
"""Header of a record that was put back: the id of its dead letter, 32 hexadecimal digits."""

MIN_PREFIX = 6


class Letter(Struct, frozen=True):
    """A dead letter and where it stands among the dead letters."""

    record: DeadLetterRecord
    offset: int

    @property
    def id(self) -> str:
        """The id that commands take: 32 hexadecimal digits."""
        return self.record.event_id.hex()

    @property
    def origin(self) -> tuple[str, int, int]:
        """Topic, partition and offset of the record that nobody could process."""
        return self.record.origin_topic, self.record.origin_partition, self.record.origin_offset

    @property
    def replay_of(self) -> str | None:
        """The dead letter whose replay failed again, if this is one."""
        found = [header.value for header in self.record.headers if header.name == REPLAY_OF]
        return found[-1].decode("ascii", "replace") if found else None


class Replacement(Struct, frozen=True):
    """What to put in place of the original; None keeps it."""

    value: bytes | None = None
    key: bytes | None = None


async def read_letters(
    settings: Settings, topic: str | None = None, reason: str | None = None
) -> list[Letter]:
    """Return the dead letters of a topic and for a reason (None: of all), oldest first.

    A stage that crashed may have written one twice: the first stands for both.
    """
    found: dict[bytes, Letter] = {}
    async for records in read_topic(settings, [DeadLetterRecord.topic], Codec.load()):
        for record in records:
            letter = record.event
            if (
                isinstance(letter, DeadLetterRecord)
                and topic in (None, letter.origin_topic)
                and reason in (None, letter.reason)
            ):
                found.setdefault(letter.event_id, Letter(letter, record.offset))
    return list(found.values())


def choose(letters: Sequence[Letter], ids: Iterable[str]) -> list[Letter]:
    """Return the letters with these ids, or the unambiguous beginnings of ids.

    Errors: Refused, naming the id, when none or more than one begins with it.
    """
    chosen = []
    for text in ids:
        start = text.lower()
        matches = [letter for letter in letters if letter.id.startswith(start)]
        if len(start) < MIN_PREFIX:
            raise Refused(f"{text!r} is too short: give at least {MIN_PREFIX} digits of an id")
        if not matches:
            raise Refused(f"no dead letter has the id {text!r}; `afflux dlq list` shows them")
        if len(matches) > 1:
            raise Refused(f"{len(matches)} dead letters begin with {text!r}: give more digits")
        chosen.append(matches[0])
    return chosen


async def replayed(settings: Settings, letters: Sequence[Letter]) -> set[str]:
    """Return the ids of the letters whose replay stands in the origin topics.

    Reads those topics from the first dead record of each partition on. The replay of one letter
    stands for all letters of the same record (each stage that met it wrote its own).
    """
    start: dict[TopicPartition, int] = {}
    topics = sorted({letter.record.origin_topic for letter in letters})
    for letter in letters:
        part = TopicPartition(letter.record.origin_topic, letter.record.origin_partition)
        start[part] = min(start.get(part, letter.record.origin_offset), letter.record.origin_offset)
    seen: set[str] = set()
    if topics:
        async for records in read_raw(settings, topics, start):
            for record in records:
                seen.update(
                    value.decode("ascii", "replace")
                    for name, value in record.headers
                    if name == REPLAY_OF
                )
    origins = {letter.origin for letter in letters if letter.id in seen}
    return {letter.id for letter in letters if letter.origin in origins}


async def replay(
    settings: Settings, letters: Sequence[Letter], instead: Replacement | None = None
) -> list[Letter]:
    """Put the records of these letters back at the end of their topics; return those put back.

    Each goes to its own topic and partition with its own key, bytes and headers; a new key lets
    Kafka choose the partition, because the old one may have come from the wrong key. A record that
    several stages met is put back once, in the order of the dead letters.

    Errors: PublishError when Kafka does not take them; some may stand in their topics then.
    """
    new = instead or Replacement()
    once = list({letter.origin: letter for letter in reversed(letters)}.values())[::-1]
    publisher = Publisher(settings, Codec.load(), "dlq")
    await publisher.start()
    try:
        await publisher.publish_raw([_raw(letter, new) for letter in once])
    finally:
        await publisher.stop()
    return once


def _raw(letter: Letter, new: Replacement) -> Raw:
    record = letter.record
    kept = tuple((h.name, h.value) for h in record.headers if h.name != REPLAY_OF)
    return Raw(
        topic=record.origin_topic,
        key=record.origin_key if new.key is None else new.key,
        value=record.origin_value if new.value is None else new.value,
        partition=record.origin_partition if new.key is None else None,
        headers=(*kept, (REPLAY_OF, letter.id.encode())),
    )
