"""What attribution keeps of a click, of a view and of a flag."""

from __future__ import annotations

from afflux.kernel.events import Click, ClickFlag, ClickOutcome, FlagAction, Impression
from afflux.kernel.reasons import REASONS
from afflux.kernel.types import Millis
from services.attribution.domain.journey import Note, Seen, Tags

NO_TOUCH = (ClickOutcome.REFUSED, ClickOutcome.PREVIEW)
UNKNOWN_DEVICE = "unknown"


def seen_of(click: Click, offset: int, log_time: Millis) -> Seen:
    """Return the click at an offset as the journey has it; `log_time` is its partition's."""
    no_touch = _reason(click.reason) if click.outcome in NO_TOUCH else None
    return _seen(click, click.click_id, "click", no_touch, offset, log_time)


def seen_view(view: Impression, offset: int, log_time: Millis) -> Seen:
    """Return the impression at an offset as the journey has it; `log_time` is its partition's."""
    no_touch = None if view.reason is None else _reason(view.reason)
    return _seen(view, view.impression_id, "impression", no_touch, offset, log_time)


def _seen(
    of: Click | Impression,
    touch_id: bytes,
    kind: str,
    no_touch: str | None,
    offset: int,
    log_time: Millis,
) -> Seen:
    return Seen(
        click_id=touch_id,
        occurred_at=of.occurred_at,
        recorded_at=of.recorded_at,
        log_time=log_time,
        offset=offset,
        partner_id=of.partner_id,
        offer_id=of.offer_id,
        link_id=of.link_id,
        advertiser_id=of.advertiser_id,
        no_touch=no_touch,
        tags=_tags(of),
        kind=kind,
    )


def _reason(reason: str | None) -> str:
    return reason if reason in REASONS else "no_touch"


def _tags(of: Click | Impression) -> Tags:
    device = None if of.device == UNKNOWN_DEVICE else of.device
    return Tags(of.ref_id, of.source, tuple(of.sub), of.country, device)


def notes_of(flag: ClickFlag, late_at: Millis) -> list[Note]:
    """Return a note a signal; `late_at` is 0 for those of the first screening."""
    invalid = flag.action is FlagAction.INVALID
    names = [signal.name for signal in flag.signals] or [flag.action.value]
    return [Note(name, invalid, flag.recorded_at, late_at) for name in names]
