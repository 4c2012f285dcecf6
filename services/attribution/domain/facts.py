"""What attribution keeps of a click and of a flag."""

from __future__ import annotations

from afflux.kernel.events import Click, ClickFlag, ClickOutcome, FlagAction
from afflux.kernel.reasons import REASONS
from afflux.kernel.types import Millis
from services.attribution.domain.journey import Note, Seen, Tags

_NO_TOUCH = frozenset((ClickOutcome.REFUSED, ClickOutcome.PREVIEW))


def seen_of(click: Click, offset: int, log_time: Millis) -> Seen:
    """Return the click at an offset as the journey has it; `log_time` is its partition's."""
    no_touch = None
    if click.outcome in _NO_TOUCH:
        no_touch = click.reason if click.reason in REASONS else "no_touch"
    return Seen(
        click_id=click.click_id,
        occurred_at=click.occurred_at,
        recorded_at=click.recorded_at,
        log_time=log_time,
        offset=offset,
        partner_id=click.partner_id,
        offer_id=click.offer_id,
        link_id=click.link_id,
        advertiser_id=click.advertiser_id,
        no_touch=no_touch,
        tags=_tags(click),
    )


def _tags(click: Click) -> Tags:
    device = None if click.device == "unknown" else click.device
    return Tags(click.ref_id, click.source, tuple(click.sub), click.country, device)


def notes_of(flag: ClickFlag, late_at: Millis) -> list[Note]:
    """Return a note a signal; `late_at` is 0 for those of the first screening."""
    invalid = flag.action is FlagAction.INVALID
    names = [signal.name for signal in flag.signals] or [flag.action.value]
    return [Note(name, invalid, flag.recorded_at, late_at) for name in names]
