"""The one list of topics, from schemas/topics.yaml, and its creation in Kafka."""

from __future__ import annotations

import asyncio
from functools import lru_cache

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError
from msgspec import Struct
from msgspec.yaml import decode

from afflux.kernel.events import DeadLetterRecord
from afflux.runtime.paths import SCHEMAS
from afflux.runtime.settings import Settings

_DAY_MS = 86_400_000
MAX_RECORD_BYTES = 2_000_000
MAX_LETTER_BYTES = 2 * MAX_RECORD_BYTES
"""A dead letter holds the largest record there can be, and says more."""


class Topic(Struct, frozen=True, forbid_unknown_fields=True):
    """One topic: `partitions` is a number or `co`; `retention` days or `for ever`."""

    key: str
    partitions: int | str
    retention: int | str
    cleanup: str
    schema: str
    owner: str
    key_column: str | None = None
    timestamps: str = "CreateTime"

    def partition_count(self, settings: Settings) -> int:
        """Return how many partitions the topic is created with."""
        return settings.topic_partitions if isinstance(self.partitions, str) else self.partitions

    @property
    def retention_ms(self) -> int:
        """Kafka's retention.ms; -1 keeps for ever."""
        return -1 if isinstance(self.retention, str) else self.retention * _DAY_MS


class _File(Struct, frozen=True):
    topics: dict[str, Topic]


@lru_cache(maxsize=1)
def load_topics() -> dict[str, Topic]:
    """Return every topic by name."""
    return decode((SCHEMAS / "topics.yaml").read_bytes(), type=_File).topics


async def ensure_topics(settings: Settings) -> list[str]:
    """Create what is missing; return the names created. Existing topics are left as they are."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka, request_timeout_ms=20_000)
    await admin.start()
    try:
        present = set(await admin.list_topics())
        missing = [name for name in load_topics() if name not in present]
        await admin.create_topics([_new_topic(name, settings) for name in missing])
        await _wait_for_leaders(admin, missing)
    except TopicAlreadyExistsError:
        pass  # another process of the same start created it between the two calls
    finally:
        await admin.close()
    return missing


def _new_topic(name: str, settings: Settings) -> NewTopic:
    topic = load_topics()[name]
    return NewTopic(
        name,
        num_partitions=topic.partition_count(settings),
        replication_factor=settings.topic_replication,
        topic_configs={
            "cleanup.policy": topic.cleanup,
            "retention.ms": str(topic.retention_ms),
            "retention.bytes": "-1",
            "message.timestamp.type": topic.timestamps,
            "max.message.bytes": str(
                MAX_LETTER_BYTES if name == DeadLetterRecord.topic else MAX_RECORD_BYTES
            ),
        },
    )


async def _wait_for_leaders(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    for _ in range(200):
        described = await admin.describe_topics(names) if names else []
        ready = all(
            topic["error_code"] == 0 and all(part["leader"] >= 0 for part in topic["partitions"])
            for topic in described
        )
        if ready:
            return
        await asyncio.sleep(0.05)
    raise KafkaError(f"no leader for some partition of {', '.join(names)} after 10 s")
