"""What `afflux attribution shadow` refuses before it asks anybody."""

from __future__ import annotations

import pytest
from typer import BadParameter

from afflux.cli.attribution_shadow import _terms
from afflux.kernel.catalog import MODEL_NAMES, ModelTerms


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_model_of_the_catalogue_may_be_tried(name: str) -> None:
    assert _terms(name, "", "", "", None) == ModelTerms(name=name)


def test_a_model_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(BadParameter, match="is none of last, first, linear"):
        _terms("nope", "", "", "", None)
