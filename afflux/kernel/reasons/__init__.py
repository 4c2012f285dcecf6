"""The one catalogue of reason codes, with a sentence for people in English and Russian.

A module of a service adds none of its own: what a partner or an advertiser can be told stands here.
"""

from __future__ import annotations

from afflux.kernel.reasons.deciding import DECIDING
from afflux.kernel.reasons.edge import EDGE
from afflux.kernel.reasons.plumbing import PLUMBING
from afflux.kernel.reasons.sentence import Sentence

__all__ = ["REASONS", "Sentence", "sentence"]

REASONS: dict[str, Sentence] = {**EDGE, **DECIDING, **PLUMBING}


def sentence(code: str, language: str = "en") -> str:
    """Return the sentence of a reason code; raises KeyError for a code nobody declared."""
    known = REASONS[code]
    return known.ru if language == "ru" else known.en
