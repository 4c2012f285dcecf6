"""When a conversion may be decided, and when its decision can never change again."""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.events import Conversion, CreditSignal, PartitionReason
from afflux.kernel.types import Millis
from services.attribution.domain.journey import Journey


class Progress(Struct, frozen=True):
    """How far the inputs of one partition are known.

    `clicks_next`, `screened_to`: the offsets of the clicks partition below which everything has
    been read, and screened. `clicks_log`, `flags_log`: log times of the two partitions.
    `views_next`, `views_log`: the same of the impressions, which nobody screens.
    """

    clicks_next: int = 0
    screened_to: int = 0
    clicks_log: Millis = Millis(0)
    flags_log: Millis = Millis(0)
    views_next: int = 0
    views_log: Millis = Millis(0)

    @property
    def horizon(self) -> int:
        """Every click below this offset is known together with its flags."""
        return min(self.clicks_next, self.screened_to)

    @property
    def log_time(self) -> Millis:
        """Log time that both partitions have reached."""
        return min(self.clicks_log, self.flags_log)


def visitor_of(conversion: Conversion) -> bytes | None:
    """Return whose journey stands in this partition, or None: there is no journey to wait for."""
    if conversion.partition_reason is not PartitionReason.VISITOR:
        return None
    return conversion.visitor_key


def signal_of(conversion: Conversion) -> CreditSignal:
    """Return what leads from the conversion to its touches."""
    if conversion.click_id is not None:
        return CreditSignal.CLICK_ID
    return CreditSignal.JOURNEY if visitor_of(conversion) else CreditSignal.NONE


def needed(conversion: Conversion, journey: Journey, clicks_end: int) -> int | None:
    """Return the horizon at which the conversion can be decided, None while its click is missing.

    Signal click_id: behind the named click. Signal journey: `clicks_end`, the end of the clicks
    partition as it was when the conversion was read.
    """
    if conversion.click_id is None:
        return clicks_end
    return None if journey.named is None else journey.named.seen.offset + 1


def ready(need: int | None, progress: Progress, now: Millis, deadline: Millis) -> bool:
    """Return whether to decide now: all that is needed is known, or the wait is over (law A3)."""
    return (need is not None and need <= progress.horizon) or now >= deadline
