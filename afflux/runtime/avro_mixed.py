"""A batch that several versions of a schema wrote, as one frame of the newest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from afflux.runtime.avro_block import BlockWriter


def decode_mixed(
    newest: BlockWriter,
    writers: Mapping[bytes, BlockWriter],
    values: Sequence[bytes | None],
    keys: Sequence[bytes | None],
) -> pl.DataFrame | None:
    """Return one row a value, in order, or None if any value has to be looked at alone.

    `writers` by the frame that their values begin with: every value begins with one of them.
    """
    size = len(newest.frame)
    places: dict[bytes, list[int]] = defaultdict(list)
    for place, value in enumerate(values):
        places[value[:size] if value is not None else b""].append(place)
    parts: list[pl.DataFrame] = []
    for frame, own in places.items():
        rows = writers[frame].decode([values[n] for n in own], [keys[n] for n in own])
        aligned = None if rows is None else newest.align(rows)
        if aligned is None:
            return None
        parts.append(aligned)
    order = np.argsort(np.concatenate([np.array(own) for own in places.values()]))
    whole = pl.concat(parts)
    return whole.select(pl.all().gather(order.tolist()))
