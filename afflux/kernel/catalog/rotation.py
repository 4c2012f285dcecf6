"""New keys and tokens for an advertiser, the old ones ending by themselves.

Key ids and token generations are names; the material derives from the master secret. So a name
that was ever used is never given out again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from afflux.kernel.catalog.declared import Declaration, Declared
from afflux.kernel.catalog.entities import Advertiser, Entity
from afflux.kernel.catalog.plan import answer
from afflux.kernel.catalog.view import Catalog, Version
from afflux.kernel.types import Millis

_NUMBERED = re.compile(r"k(\d{1,9})")
KEY_FIELDS = ("key_ids", "token_generation", "old_token_generations")
"""What of an advertiser a rotation changes: a file that leaves them out does not touch them."""


def rotate_key(catalog: Catalog, advertiser_id: int, now: Millis, until: Millis) -> Declaration:
    """Return versions with a new key id from `now` on, beside the old ones up to `until`.

    Versions that begin later are kept as they are but for their keys. Without the advertiser in
    the catalogue nothing is declared.
    """
    history = catalog.history(Advertiser.kind, str(advertiser_id))
    fresh = f"k{1 + max(map(_number, _used(history)), default=0)}"

    def renewed(old: Advertiser, overlapping: bool) -> Advertiser:
        return replace(old, key_ids=[fresh, *old.key_ids] if overlapping else [fresh])

    return _declaration(history, now, until, renewed)


def rotate_token(catalog: Catalog, advertiser_id: int, now: Millis, until: Millis) -> Declaration:
    """Return versions with a new token generation, like `rotate_key`."""
    history = catalog.history(Advertiser.kind, str(advertiser_id))
    fresh = 1 + max((max(_generations(old)) for old in _entities(history)), default=0)

    def renewed(old: Advertiser, overlapping: bool) -> Advertiser:
        still = _generations(old) if overlapping else []
        return replace(old, token_generation=fresh, old_token_generations=still)

    return _declaration(history, now, until, renewed)


def ends(catalog: Catalog, advertiser_id: int, now: Millis) -> dict[str, Millis]:
    """Return when what is valid now stops being so: `key k1` and `token 1` (a generation).

    What has no end, as far as the catalogue says, is not in it.
    """
    history = catalog.history(Advertiser.kind, str(advertiser_id))
    found: dict[str, Millis] = {}
    valid = _names(answer(history, now))
    for at in _edges(history, now):
        for name in valid - _names(answer(history, at)) - found.keys():
            found[name] = at
    return found


def with_keys_kept(declaration: Declaration, catalog: Catalog, now: Millis) -> Declaration:
    """Return the declaration with the keys that hold, where an advertiser's entry names none.

    So a file that was written before a rotation does not bring an old key back, nor does one that
    is applied within the overlap make an old key last.
    """
    entities: list[Declared] = []
    for declared in declaration.entities:
        entities += _kept(declared, catalog, now)
    return replace(declaration, entities=tuple(entities))


def _kept(declared: Declared, catalog: Catalog, now: Millis) -> Iterator[Declared]:
    entity = declared.entity
    history = catalog.history(entity.kind, entity.entity_id)
    absent = [name for name in KEY_FIELDS if name not in declared.lines]
    known = _entities(history)
    if not isinstance(entity, Advertiser) or not known or not absent:
        yield declared
        return
    start = now if declared.valid_from is None else declared.valid_from
    source, before = known[0], None
    for at in [start, *_edges(history, start)]:
        if declared.valid_to is not None and at >= declared.valid_to:
            return
        holds = answer(history, at)
        source = holds if isinstance(holds, Advertiser) else source
        kept = {name: getattr(source, name) for name in absent}
        if kept != before:
            since = declared.valid_from if before is None else at
            yield replace(declared, entity=replace(entity, **kept), valid_from=since)
        before = kept


def _declaration(
    history: Sequence[Version],
    now: Millis,
    until: Millis,
    renewed: Callable[[Advertiser, bool], Advertiser],
) -> Declaration:
    starts = sorted({now, *([until] if until > now else []), *_edges(history, now)})
    declared = []
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        old = answer(history, start)
        if isinstance(old, Advertiser):
            entity = renewed(old, start < until)
            declared.append(Declared(entity, start, end, 0, f"advertiser {old.id}"))
    return Declaration(tuple(declared))


def _edges(history: Sequence[Version], after: Millis) -> list[Millis]:
    """Return the instants after `after` at which the answer could change, in order."""
    instants = {each for version in history for each in (version.valid_from, version.valid_to)}
    return sorted(at for at in instants if at is not None and at > after)


def _entities(history: Sequence[Version]) -> list[Advertiser]:
    return [known.entity for known in history if isinstance(known.entity, Advertiser)]


def _used(history: Sequence[Version]) -> set[str]:
    return {kid for old in _entities(history) for kid in old.key_ids}


def _number(kid: str) -> int:
    numbered = _NUMBERED.fullmatch(kid)
    return int(numbered[1]) if numbered else 0


def _generations(advertiser: Advertiser) -> list[int]:
    return [advertiser.token_generation, *advertiser.old_token_generations]


def _names(entity: Entity | None) -> set[str]:
    if not isinstance(entity, Advertiser):
        return set()
    keys = {f"key {kid}" for kid in entity.key_ids}
    return keys | {f"token {generation}" for generation in _generations(entity)}
