"""A customer's book as anybody can write it from the log: for persons who look at it."""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import CustomerBound, Decision
from afflux.runtime.catalog_store import load_catalog
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import TopicPartition, end_offsets, read_topic
from afflux.runtime.partitioning import choose as partitions_of
from afflux.runtime.settings import Settings
from services.attribution.domain.bound import bound
from services.attribution.domain.customers import choose
from services.attribution.domain.lifetimes import member_of


class Line(Struct, frozen=True):
    """One conversion: what it asks, and what stands with the customer's say."""

    request: CustomerBound
    asked: Decision
    stands: Decision


async def read_book(settings: Settings, customer: bytes) -> list[Line]:
    """Return the conversions of a customer in order of time, as the log has them now.

    Errors: Refused when PostgreSQL does not answer, KafkaError when Kafka does not.
    """
    catalog = await load_catalog(settings)
    newest: dict[bytes, CustomerBound] = {}
    ends = await end_offsets(settings, [CustomerBound.topic])
    (number,) = partitions_of([customer], len(ends))
    part = TopicPartition(CustomerBound.topic, number)
    codec = Codec.load()
    end = {part: ends[part]}
    async for records in read_topic(settings, [CustomerBound.topic], codec, end=end):
        for record in records:
            request = record.event
            if isinstance(request, CustomerBound) and request.customer_key == customer:
                known = newest.get(request.conversion_key)
                if known is None or request.version > known.version:
                    newest[request.conversion_key] = request
    return lines(list(newest.values()), catalog)


def lines(requests: list[CustomerBound], catalog: Catalog) -> list[Line]:
    """Return what these requests of one customer come to."""
    asked = [(request, request.asked) for request in requests if request.asked is not None]
    choices = choose([member_of(request, decision) for request, decision in asked], catalog)
    found = [
        Line(request, decision, bound(decision, choices[request.conversion_key]))
        for request, decision in asked
    ]
    return sorted(found, key=lambda line: (line.asked.occurred_at, line.request.conversion_key))
