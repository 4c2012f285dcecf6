"""Credits as rows: `channel,model,conversions,value`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from afflux.kernel.document import unknown
from afflux.runtime.refused import Refused
from services.attribution.paths.conversion_rates import TooManyChannels
from services.attribution.paths.markov import TooManyStates
from services.attribution.paths.models import MODELS, NEED_NULLS, Options
from services.attribution.paths.summary import Paths

COLUMNS = ("channel", "model", "conversions", "value")


class Line(Struct, frozen=True):
    """What a model gives a channel; `value` is None when the paths have no values."""

    channel: str
    model: str
    conversions: float
    value: float | None


def check_models(names: Sequence[str], nulled: bool) -> None:
    """Errors: Refused when a model is unknown, or needs the paths without conversion."""
    for name in names:
        if name not in MODELS:
            raise Refused(unknown(name, MODELS, "model"))
        if name in NEED_NULLS and not nulled:
            raise Refused(
                f"model {name} compares conversion rates and needs the paths without conversion: "
                "name their column with --null-column"
            )


def attribute(paths: Paths, names: Sequence[str], options: Options) -> list[Line]:
    """Return the credit of every channel by each model, models in the order asked for.

    Errors: Refused when a model cannot take so many channels or states.
    """
    check_models(names, paths.nulled)
    lines: list[Line] = []
    for name in dict.fromkeys(names):
        try:
            credit = MODELS[name](paths, options)
        except (TooManyChannels, TooManyStates) as error:
            raise Refused(f"model {name}: {error}") from error
        values = credit.value.tolist() if paths.valued else [None] * len(paths.channels)
        columns = zip(paths.channels, credit.conversions.tolist(), values, strict=True)
        lines += [Line(channel, name, won, value) for channel, won, value in columns]
    return lines


def as_csv(lines: Iterable[Line]) -> str:
    """Return the lines as CSV; numbers have every digit that distinguishes them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(
        (line.channel, line.model, line.conversions, "" if line.value is None else line.value)
        for line in lines
    )
    return out.getvalue()


def as_json(lines: Sequence[Line]) -> str:
    """Return the lines as a JSON list of objects."""
    return msgspec.json.encode(lines).decode()
