"""Models: how eligible touches share one conversion. Shares are exact and sum to 1 (law A1).

A new model is a file here, named after it, with a function `share` from Case to Given, and its
name in MODEL_NAMES of the catalogue: that is what offers may name.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from afflux.kernel.catalog import MODEL_NAMES
from services.attribution.domain.models.case import Case, Given, Model
from services.attribution.domain.models.exact import fitted

__all__ = ["DEFAULT_MODEL", "MODELS", "Case", "Given", "Model", "apply", "registered"]

DEFAULT_MODEL = "last"


def registered(names: Iterable[str]) -> dict[str, Model]:
    """Return the models of these names, each from its own file."""
    return {name: import_module(f"{__name__}.{name}").share for name in names}


MODELS = registered(MODEL_NAMES)


def apply(case: Case) -> Given:
    """Return the shares of the model that the terms name, as they fit the records.

    An unknown name falls back to the last touch, and the answer says so: the catalogue refuses
    unknown models, but if one slips through, a conversion must not stop a stream.
    """
    given = MODELS.get(case.terms.name, MODELS[DEFAULT_MODEL])(case)
    return Given(fitted(given.shares), given.name)
