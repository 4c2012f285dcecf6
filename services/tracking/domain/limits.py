"""Token buckets: how many reports an advertiser, and how many requests an address, may send.

A bucket is one integer, the instant at which it would be full again (the generic cell rate
algorithm): it holds `burst` tokens, one comes back every `interval_ns`, and what was taken is
never more than `burst` plus one for each interval that has passed. The instant is passed in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from msgspec import Struct

from afflux.kernel.catalog import Advertiser
from afflux.kernel.types import Millis
from services.tracking.domain.addresses import holder
from services.tracking.domain.refusal import Refusal

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
MAX_BUCKETS = 100_000


class Limit(Struct, frozen=True):
    """`burst` tokens at most, and one more every `interval_ns`. `rate` 0 is no limit."""

    interval_ns: int
    burst: int

    @classmethod
    def of(cls, rate: int, burst: int, per_ns: int = SECOND_NS) -> Limit | None:
        """Return the limit of `rate` tokens every `per_ns`, rounded to fewer; None for 0."""
        return cls(-(-per_ns // rate), burst) if rate else None


class Buckets:
    """The buckets of many keys in bounded memory: the one used longest ago is forgotten first.

    A forgotten bucket is a full one: with more keys at once than `most`, more passes, never less.
    """

    def __init__(self, most: int = MAX_BUCKETS) -> None:
        self._full_at: OrderedDict[Hashable, int] = OrderedDict()
        self._most = most

    def take(self, key: Hashable, limit: Limit, now: Millis, count: int = 1) -> int:
        """Take `count` tokens (at most `burst`); return 0, or in how many seconds they are there.

        Nothing is taken unless all are. A clock that was set back gives no token twice.
        """
        now_ns = now * 1_000_000
        empty = now_ns + limit.burst * limit.interval_ns
        full_at = max(self._full_at.get(key, 0), now_ns)
        if full_at > empty:  # the clock was set back: no bucket is worse than empty
            full_at = self._full_at[key] = empty
        after = full_at + min(count, limit.burst) * limit.interval_ns
        if after > empty:
            return -(-(after - empty) // SECOND_NS)
        self._full_at[key] = after
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)
        return 0

    def __len__(self) -> int:
        return len(self._full_at)


class Rates(Struct, frozen=True):
    """The limits of an edge; None is none.

    `advertiser`: reports of one advertiser, a batch counting as many as it has items.
    `address`: requests from one address. `failure`: requests from one address whose sender was
    not proven.
    """

    advertiser: Limit | None = None
    address: Limit | None = None
    failure: Limit | None = None


class Gate:
    """Says who has to wait. What waits is answered 429, and neither read nor kept.

    An IPv6 address counts as its /64, which is one holder's.
    """

    def __init__(self, rates: Rates, most: int = MAX_BUCKETS) -> None:
        self._rates = rates
        self._advertisers = Buckets(most)
        self._addresses = Buckets(most)
        self._failures = Buckets(most)

    def request(self, address: str, now: Millis) -> Refusal | None:
        """Count a request, before anything of it is read."""
        limit = self._rates.address
        wait = limit and self._addresses.take(holder(address), limit, now)
        return _limited("requests from this address", wait) if wait else None

    def reports(self, advertiser: Advertiser, count: int, now: Millis) -> Refusal | None:
        """Count the `count` reports of a request whose sender was proven."""
        limit = self._limit_of(advertiser)
        wait = limit and self._advertisers.take(advertiser.id, limit, now, count)
        return _limited("reports of this advertiser", wait) if wait else None

    def failure(self, address: str, now: Millis) -> Refusal | None:
        """Count a request whose sender was not proven; one that is over the limit is not kept.

        Only those are held back: a stranger cannot lock out an advertiser behind one address.
        """
        limit = self._rates.failure
        wait = limit and self._failures.take(holder(address), limit, now)
        return _limited("failed authentications from this address", wait) if wait else None

    def _limit_of(self, advertiser: Advertiser) -> Limit | None:
        default = self._rates.advertiser
        if advertiser.report_rate is None:
            if advertiser.report_burst is None or default is None:
                return default
            return Limit(default.interval_ns, advertiser.report_burst)
        burst = advertiser.report_burst or max(1_000, 10 * advertiser.report_rate)
        return Limit.of(advertiser.report_rate, burst)


def _limited(what: str, wait_s: int) -> Refusal:
    return Refusal("rate_limited", f"too many {what}: wait {wait_s} s", None, wait_s)
