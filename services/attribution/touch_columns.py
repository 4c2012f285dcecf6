"""Many touches at once: from columns of a batch to rows of the state, without an object a touch.

It gives what `touch_rows` gives for the same touches one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl
from msgspec import Struct

from afflux.kernel.reasons import REASONS
from afflux.kernel.types import Millis
from afflux.runtime.columns import Columns
from services.attribution.domain.facts import NO_TOUCH, UNKNOWN_DEVICE
from services.attribution.domain.journey import Tags
from services.attribution.table import Run
from services.attribution.touch_rows import (
    BUCKET_MS,
    CLICK,
    IMPRESSION,
    SEPARATOR,
    TURNED,
    pack_tail,
)

_KEY = np.dtype([("visitor", "V16"), ("id", "V16"), ("letter", "V1"), ("turned", ">u8")])
_NAMES = ("occurred", "recorded", "logged", "partner", "offer", "link", "advertiser")
_NUMBERS = np.dtype([(name, ">i8") for name in _NAMES])
_HEAD = ("no_touch", "country", "device", "source", "ref_id")
_UNSAFE = f"[\\x00{SEPARATOR}]"
_Times = npt.NDArray[np.int64]


class Touches(Struct, frozen=True):
    """Touches of one batch, in order of their offsets, with the log time of each."""

    letter: bytes
    columns: Columns
    log_time: _Times

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.columns.keys)

    def at(self, number: int) -> Millis:
        """Return the log time of one of them."""
        return Millis(int(self.log_time[number]))

    def pick(self, which: list[int]) -> Touches:
        """Return some of them."""
        keys, offsets = self.columns.keys, self.columns.offsets
        columns = Columns(
            self.columns.topic,
            self.columns.partition,
            [offsets[n] for n in which],
            [keys[n] for n in which],
            self.columns.frame[which],
        )
        return Touches(self.letter, columns, self.log_time[which])

    def only(self, offers: Mapping[int, Millis]) -> Touches:
        """Return those of an offer that is listed with a log time at or before their own."""
        offer_ids = self.columns.frame.get_column("offer_id").to_list()
        never = np.iinfo(np.int64).max
        since = np.array([offers.get(offer_id, never) for offer_id in offer_ids], np.int64)
        which = np.flatnonzero(since <= self.log_time)
        return self if len(which) == self.rows else self.pick(which.tolist())


def touches(columns: Columns, letter: bytes, log_time: Millis) -> Touches:
    """Return the touches of a batch; `log_time` is their partition's before it."""
    recorded = columns.frame.get_column("recorded_at").to_numpy()
    return Touches(letter, columns, np.maximum.accumulate(np.maximum(recorded, log_time)))


def runs(of: Touches) -> Iterator[Run]:
    """Yield the rows of touches, a run a bucket, visitors in order."""
    if not of.rows:
        return
    buckets = of.log_time // BUCKET_MS
    if buckets[0] == buckets[-1]:
        yield _run(of, int(buckets[0]))
        return
    for bucket in np.unique(buckets).tolist():
        yield _run(of.pick(np.flatnonzero(buckets == bucket).tolist()), bucket)


def _run(of: Touches, bucket: int) -> Run:
    joined = b"".join(of.columns.keys)
    high, low = np.frombuffer(joined, ">u8").astype(np.uint64).reshape(-1, 2).T
    order = np.lexsort((low, high))
    numbers, tails = _numbers(of)[order], _tails(of)
    values = _slices(numbers)
    if tails is not None:
        values = [value + tails[n] for value, n in zip(values, order.tolist(), strict=True)]
    return Run(bucket, _slices(_keys(of, joined)[order]), values)


def _keys(of: Touches, visitors: bytes) -> npt.NDArray[np.void]:
    keys = np.empty(of.rows, _KEY)
    name = "click_id" if of.letter == CLICK else "impression_id"
    keys["visitor"] = np.frombuffer(visitors, "V16")
    keys["id"] = np.frombuffer(b"".join(of.columns.frame.get_column(name).to_list()), "V16")
    keys["letter"] = np.frombuffer(of.letter, "V1")
    keys["turned"] = np.uint64(TURNED) - np.array(of.columns.offsets, np.uint64)
    return keys


def _numbers(of: Touches) -> npt.NDArray[np.void]:
    frame = of.columns.frame
    numbers = np.empty(of.rows, _NUMBERS)
    numbers["occurred"] = frame.get_column("occurred_at").to_numpy()
    numbers["recorded"] = frame.get_column("recorded_at").to_numpy()
    numbers["logged"] = of.log_time
    for name in _NAMES[3:]:
        numbers[name] = frame.get_column(f"{name}_id").to_numpy()
    return numbers


def _slices(rows: npt.NDArray[np.void]) -> list[bytes]:
    whole, size = rows.tobytes(), rows.dtype.itemsize
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def _tails(of: Touches) -> list[bytes] | None:
    """Return the tail of each touch, or None where none has any."""
    frame = of.columns.frame.select(
        _no_touch(of.letter),
        "country",
        pl.when(pl.col("device") != UNKNOWN_DEVICE).then("device").alias("device"),
        "source",
        "ref_id",
        "sub",
    )
    texts = [pl.col(name) for name in _HEAD]
    subs = pl.col("sub").list.join(SEPARATOR)
    joined = pl.concat_str([*(text.fill_null("") for text in texts), subs], separator=SEPARATOR)
    blank = pl.any_horizontal(*((text == "").fill_null(False) for text in texts))
    unsafe = joined.str.count_matches(SEPARATOR, literal=True) != (
        4 + pl.max_horizontal(pl.col("sub").list.len(), 1)
    )
    out = frame.select(
        joined.str.strip_chars_end(SEPARATOR).cast(pl.Binary).alias("tail"),
        (
            blank
            | unsafe
            | joined.str.contains("\x00", literal=True)
            | (pl.col("sub").list.last() == "").fill_null(False)
        ).alias("alone"),
    )
    tails: list[bytes] = out.get_column("tail").to_list()
    for n in out.get_column("alone").arg_true().to_list():
        row = frame.row(n, named=True)
        tags = Tags(row["ref_id"], row["source"], tuple(row["sub"]), row["country"], row["device"])
        tails[n] = pack_tail(row["no_touch"], tags)
    return tails if any(tails) else None


def _no_touch(letter: bytes) -> pl.Expr:
    """The reason why a touch can earn nothing, as `facts` finds it."""
    known = (
        pl.when(pl.col("reason").is_in(list(REASONS))).then("reason").otherwise(pl.lit("no_touch"))
    )
    if letter == IMPRESSION:
        return pl.when(pl.col("reason").is_not_null()).then(known).alias("no_touch")
    outcome = pl.col("outcome").cast(pl.String)
    return pl.when(outcome.is_in([each.value for each in NO_TOUCH])).then(known).alias("no_touch")
