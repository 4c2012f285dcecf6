"""The catalogue as a file would declare it; applying that file changes nothing."""

from __future__ import annotations

from afflux.kernel.catalog.fields import SHAPES, show_entity
from afflux.kernel.catalog.view import Catalog
from afflux.kernel.types import Millis


def export_catalog(catalog: Catalog, valid_at: Millis, known_at: Millis) -> dict[str, object]:
    """Return the sections of a catalogue file with what held at `valid_at` as known at `known_at`.

    Values are plain: dict, list, str, int, bool.
    """
    sections: dict[str, object] = {}
    for shape in SHAPES:
        found = [entity for entity, _ in catalog.all(shape.kind, valid_at, known_at)]
        numbered = sorted(found, key=lambda each: (len(each.entity_id), each.entity_id))
        shown = [_plain(show_entity(entity)) for entity in numbered]
        if shown:
            sections[shape.section] = shown[0] if shape.section == "network" else shown
    return sections


def _plain(value: object) -> object:
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case bool() | int():
            return value
        case _:
            return str(value)
