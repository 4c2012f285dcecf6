"""What follows an attempt: delivered, another attempt later, or parked for a person."""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.ids import derive
from afflux.kernel.types import Millis

BODY_LIMIT = 2_048
"""Bytes of an answer that are read at all."""
LONGEST_RETRY_AFTER_MS = 6 * 3_600_000
_GONE = 410
_REFUSED = "address_refused"
_FORBIDDEN = frozenset({_REFUSED, "redirect_refused"})
JITTER = 0.2
REFUSED_FACTOR, REFUSED_LONGEST = 360, 8
"""A name that leads to where a postback may not go is asked again after so many first waits (half
an hour), doubled each time, up to so many longest ones (8 hours): some six times in a day."""


class Policy(Struct, frozen=True):
    """First wait, longest wait, and how long it is tried, in milliseconds."""

    first_ms: int = 5_000
    longest_ms: int = 3_600_000
    give_up_ms: int = 86_400_000


class Answer(Struct, frozen=True):
    """What an attempt came to: a status, or the reason code of why there is none.

    `retry_after_ms` is what the receiver asked for, `text` the beginning of what it said.
    `may_pass`: it was refused for what a name led to, which can be another address tomorrow.
    """

    status: int | None = None
    reason: str | None = None
    detail: str = ""
    retry_after_ms: int | None = None
    text: str = ""
    may_pass: bool = False

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it: any 2xx."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def code(self) -> str:
        """`delivered`, or the reason code of the failure."""
        if self.delivered:
            return "delivered"
        return self.reason or ("endpoint_gone" if self.status == _GONE else "answered_error")


class Delivered(Struct, frozen=True):
    """The receiver has it."""


class Again(Struct, frozen=True):
    """Try once more at `at`."""

    at: Millis


class Parked(Struct, frozen=True):
    """No more attempts until a person asks for them."""

    reason: str


class Attempt(Struct, frozen=True):
    """The `number`-th attempt (from 1) of a delivery that is given up at `give_up_at`."""

    delivery_id: bytes
    number: int
    give_up_at: Millis


def after(
    attempt: Attempt, answer: Answer, now: Millis, policy: Policy
) -> Delivered | Again | Parked:
    """Return what follows an answer at `now`.

    Whatever can be another answer tomorrow is tried until the delivery is given up, a 4xx too: a
    login that has expired or a route that is missing is repaired by somebody who wakes up first.
    """
    if answer.delivered:
        return Delivered()
    if answer.status == _GONE or (answer.code in _FORBIDDEN and not answer.may_pass):
        return Parked(answer.code)
    wait = wait_ms(attempt.delivery_id, attempt.number, _pace(policy, answer))
    asked = min(answer.retry_after_ms or 0, LONGEST_RETRY_AFTER_MS)
    at = Millis(now + max(wait, asked))
    if at <= attempt.give_up_at:
        return Again(at)
    return Parked(answer.code if answer.may_pass else "given_up")


def _pace(policy: Policy, answer: Answer) -> Policy:
    """Return the waits that fit an answer."""
    if not answer.may_pass:
        return policy
    first, longest = policy.first_ms * REFUSED_FACTOR, policy.longest_ms * REFUSED_LONGEST
    return Policy(first, longest, policy.give_up_ms)


def wait_ms(delivery_id: bytes, number: int, policy: Policy) -> int:
    """Return the wait after attempt `number`: doubled each time up to a bound, +-20 % of jitter.

    The jitter derives from the delivery, so that deliveries that failed together part.
    """
    bare = min(policy.longest_ms, policy.first_ms << min(number - 1, 40))
    spread = int.from_bytes(derive("jitter", delivery_id, number)[:4], "big") / 2**32
    return round(bare * (1 - JITTER + 2 * JITTER * spread))
