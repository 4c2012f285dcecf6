"""What a reason code means, for people."""

from __future__ import annotations

from msgspec import Struct


class Sentence(Struct, frozen=True):
    """What a reason code means, for people."""

    en: str
    ru: str
