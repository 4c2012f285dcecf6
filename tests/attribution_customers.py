"""Customers, their reports, and partitions that hand them to one another, for attribution."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from afflux.kernel.catalog import (
    Catalog,
    Coupon,
    CustomerBinding,
    Entity,
    Lifetime,
    Offer,
)
from afflux.kernel.events import (
    CatalogChange,
    Conversion,
    CustomerBound,
    Decision,
    PartitionReason,
    Redecision,
)
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis
from afflux.runtime.partitioning import choose as partition_of
from services.attribution.process import Policy
from services.attribution.table import MemoryTable, Table
from tests.attribution_cases import said as on_record
from tests.attribution_events import T0, Log, change, offer
from tests.attribution_samples import Worker

FOR_EVER = Lifetime()


def customer(number: int) -> bytes:
    """Key of customer `number` of advertiser 1."""
    return derive("customer", 1, number)


def of(report: Conversion, who: int | None, coupon: str | None = None) -> Conversion:
    """The report, of a customer, maybe with a coupon."""
    if who is None:
        return msgspec.structs.replace(report, coupon=coupon)
    reason = report.partition_reason
    if reason is PartitionReason.CONVERSION:
        reason = PartitionReason.CUSTOMER
    return msgspec.structs.replace(
        report, customer_key=customer(who), coupon=coupon, partition_reason=reason
    )


def said(
    entity: Entity,
    version: int = 1,
    valid_from: int = 0,
    recorded_at: int = 0,
    valid_to: int | None = None,
) -> CatalogChange:
    """A version of any entity; instants count from T0 (0: it was always so)."""
    end = None if valid_to is None else _at(valid_to)
    return on_record(entity, version, _at(valid_from), end, _at(recorded_at))


def lasting(
    terms: Lifetime | None = FOR_EVER, model: str = "last", view_window_s: int = 0
) -> Offer:
    """Offer 7 of advertiser 1, whose customers are bound."""
    return msgspec.structs.replace(
        offer(7), lifetime=terms, model=model, view_window_s=view_window_s
    )


def binding(who: int, partner: int | None, offer_id: int | None = None) -> CustomerBinding:
    """A person's word on a customer of advertiser 1."""
    return CustomerBinding(
        advertiser_id=1, customer=customer(who).hex(), partner_id=partner, offer_id=offer_id
    )


def shop(
    *changes: CatalogChange,
    terms: Lifetime | None = FOR_EVER,
    model: str = "last",
    view_window_s: int = 0,
) -> Catalog:
    """Offers 7 (lifetime) and 8 of advertiser 1, 9 of advertiser 2, a coupon, and these changes."""
    view = Catalog()
    coupon = Coupon(advertiser_id=1, code="SPRING", partner_id=55, offer_id=7)
    for each in (
        said(lasting(terms, model, view_window_s)),
        change(offer(8)),
        change(offer(9, advertiser=2)),
        said(coupon),
        *changes,
    ):
        view.apply(each)
    return view


def redecision(of_report: Conversion, known_at: int, number: int = 0) -> Redecision:
    """A person asks for a conversion to be decided as known at T0 + `known_at`."""
    return Redecision(
        event_id=derive("redecision", of_report.conversion_key, known_at, number),
        occurred_at=of_report.occurred_at,
        recorded_at=Millis(T0 + known_at),
        known_at=Millis(T0 + known_at),
        author="test",
        reason_text="the rule was changed",
        conversion=of_report,
    )


class Partitions:
    """Partitions of one log, each with its state; requests go to the customer's partition."""

    def __init__(
        self, logs: Sequence[Log], tables: Sequence[Table], view: Catalog, policy: Policy
    ) -> None:
        self.workers = [
            _Sender(log, table, view, policy) for log, table in zip(logs, tables, strict=True)
        ]
        for worker in self.workers:
            worker.others = self.workers

    def drain(self, batch: int = 1000, now: int = 0) -> Partitions:
        """Read all to the end, let every wait be over, and read what this made."""
        for forever in (False, True, True):
            while any(worker.behind for worker in self.workers):
                for worker in self.workers:
                    worker.catch_up(batch, now)
            for worker in self.workers:
                worker.drain(batch, now, forever)
        return self

    @property
    def published(self) -> list[Decision]:
        """All decisions."""
        return [decision for worker in self.workers for decision in worker.published]

    @property
    def final(self) -> dict[bytes, Decision]:
        """The decision that stands for each conversion."""
        last: dict[bytes, Decision] = {}
        for one in self.published:
            known = last.get(one.conversion_key)
            if known is None or one.version > known.version:
                last[one.conversion_key] = one
        return last


class _Sender(Worker):
    others: Sequence[Worker] = ()

    def send(self, request: CustomerBound) -> None:
        (number,) = partition_of([request.customer_key], len(self.others))
        self.others[number].requests.append(request)


def split(log: Log, partitions: int) -> list[Log]:
    """The log as Kafka divides it by key; the screen's marks follow their partition."""
    parts = [Log() for _ in range(partitions)]
    for click in log.clicks:
        parts[partition_of([click.key], partitions)[0]].clicks.append(click)
    for view in log.views:
        parts[partition_of([view.key], partitions)[0]].views.append(view)
    for report in log.conversions:
        parts[partition_of([report.key], partitions)[0]].conversions.append(report)
    for wish in log.redecisions:
        parts[partition_of([wish.key], partitions)[0]].redecisions.append(wish)
    return parts


def memory(partitions: int) -> list[Table]:
    """Tables without a disk."""
    return [MemoryTable() for _ in range(partitions)]


def _at(moment: int) -> Millis:
    return Millis(T0 + moment if moment else 0)
