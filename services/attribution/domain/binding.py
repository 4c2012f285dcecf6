"""What is known of a customer when one of its conversions is decided (signal customer)."""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.events import Share
from afflux.kernel.types import Millis


class Binding(Struct, frozen=True):
    """Whose customer it is, or why it is nobody's any more.

    `shares` sum to 1, and are empty where the binding earns nothing: then `reason` says why
    (lifetime_over, customer_unbound), and the next signal is asked. `bound_by` is the key of the
    conversion that bound the customer, None for a person's word. `occurred_at` is when it was
    bound. `recorded_at`: when the newest fact behind this was recorded; a decision is never
    recorded before it.
    """

    shares: tuple[Share, ...]
    bound_by: bytes | None
    occurred_at: Millis
    reason: str | None = None
    recorded_at: Millis = Millis(0)
