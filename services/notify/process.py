"""Records in, changed stories out; no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import Assessment, LedgerEntry
from afflux.kernel.types import Millis
from services.notify.domain.entitled import entitled
from services.notify.domain.rendering import Delivery, deliveries
from services.notify.domain.stories import KINDS, Story, assessed, partners_of, posted
from services.notify.domain.telling import Telling

TOPICS = (Assessment.topic, LedgerEntry.topic)
Owner = tuple[bytes, int]


def concerned(events: Sequence[Assessment | LedgerEntry]) -> list[Owner]:
    """Return the (conversion, partner) that these records begin or go on with, each once."""
    found: dict[Owner, None] = {}
    for event in events:
        match event:
            case Assessment():
                found |= {(event.conversion_key, who): None for who in partners_of(event)}
            case LedgerEntry(conversion_key=bytes() as key, partner_id=int() as partner_id):
                if event.kind in KINDS:
                    found[key, partner_id] = None
            case _:
                pass
    return list(found)


def folded(stories: Sequence[Story], events: Sequence[Assessment | LedgerEntry]) -> list[Story]:
    """Return the stories that these records change, as they are then.

    An assessment concerns all stories of its conversion: whoever is not credited any more too.
    """
    before = {(story.conversion_key, story.partner_id): story for story in stories}
    after = dict(before)
    by_key: dict[bytes, list[Owner]] = {}
    for owner in before:
        by_key.setdefault(owner[0], []).append(owner)
    for event in events:
        for owner in by_key.get(event.conversion_key or b"", ()):
            if isinstance(event, Assessment):
                after[owner] = assessed(after[owner], event)
            elif event.partner_id == owner[1]:
                after[owner] = posted(after[owner], event)
    return [story for owner, story in after.items() if story != before[owner]]


def requests(
    view: Catalog, story: Story, tellings: Sequence[Telling], now: Millis
) -> list[Delivery]:
    """Return what is to be sent to tell this, in order."""
    if not tellings or story.facts is None:
        return []
    found = entitled(view, story.partner_id, story.facts, now)
    if found is None:
        return []
    return [made for one in tellings for made in deliveries(story, one, *found)]
