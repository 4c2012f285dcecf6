"""What other models would have given for a decision: from its own touches and the catalogue."""

from __future__ import annotations

from collections.abc import Mapping

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import Decision, Share

Shares = tuple[Share, ...]
"""Shares of one conversion, oldest touch first; empty where no touch was eligible."""


def alternatives(decision: Decision, catalog: Catalog) -> Mapping[str, Shares]:
    """Return what each model would have given over the touches that were eligible, by its name.

    The model that decided is among them, with its own parameters. The others have the default
    ones; models of frozen weights are there only if the offer names their weights.
    """
    raise NotImplementedError
