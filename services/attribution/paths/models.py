"""The models by name. A new one is a function from paths to credit, and one line here."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from services.attribution.paths import touches
from services.attribution.paths.conversion_rates import by_coalitions, by_marginals
from services.attribution.paths.credit import Credit
from services.attribution.paths.markov import markov
from services.attribution.paths.summary import Paths


class Options(Struct, frozen=True):
    """Parameters of models: the order of the chain, and the half-life of time decay in steps."""

    order: int = 1
    half_life: float = 1.0


Model = Callable[[Paths, Options], Credit]

MODELS: dict[str, Model] = {
    "markov": lambda paths, options: markov(paths, options.order),
    "shapley": lambda paths, _: touches.shapley(paths),
    "shapley-cr": lambda paths, _: by_marginals(paths),
    "shapley-cr-full": lambda paths, _: by_coalitions(paths),
    "first": lambda paths, _: touches.by_place(paths, touches.first),
    "last": lambda paths, _: touches.by_place(paths, touches.last),
    "linear": lambda paths, _: touches.by_place(paths, touches.linear),
    "position": lambda paths, _: touches.by_place(paths, touches.position),
    "time-decay": lambda paths, options: touches.by_place(
        paths, touches.time_decay(options.half_life)
    ),
}
NEED_NULLS = ("shapley-cr", "shapley-cr-full")
"""Models of conversion rates, which are all 1 where nobody says who did not convert."""
