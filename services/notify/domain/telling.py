"""What a partner has to be told: the way from what it was told last to what holds now.

- credited, commission posted: `accepted`, or `held` while fraud control holds it
- all of it can be paid: `approved`, and `accepted` before it if that was not told yet, or not
  since it was reversed: who asks for `accepted` and `reversed` alone is told what holds
- another commission in the same state: `changed`
- nothing is left: `reversed`; `accepted` before it if nothing was told, so that no reversal comes
  out of the blue

What never earned a commission is not told: there is nothing to count. Nor is a story that was not
seen from its beginning, nor imported history. Pure, and decided from the
state alone: states that came and went between two looks may be left out, the last one never is.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from afflux.kernel.ids import derive
from afflux.kernel.postback import PostbackEvent
from services.notify.domain.stories import Payout, Story, Told

E = PostbackEvent
STATUS = {E.ACCEPTED: "pending", E.HELD: "held", E.APPROVED: "approved", E.REVERSED: "reversed"}


class Telling(Struct, frozen=True):
    """One event for a partner: the `number`-th of this conversion, from 1; `state` is after it.

    Its id derives from all it says (law I3).
    """

    event_id: bytes
    number: int
    event: PostbackEvent
    state: PostbackEvent
    payout: Payout


def tell(story: Story) -> tuple[Story, list[Telling]]:
    """Return the story as told, and what that takes, in order."""
    state = state_of(story)
    if state is None:
        return story, []
    payout, told = payout_of(story), story.told
    steps = _steps(story, state, payout)
    tellings = [
        _telling(story, told.count + place, *step) for place, step in enumerate(steps, start=1)
    ]
    if not tellings:
        return story, []
    accepted = told.accepted or any(one.event is E.ACCEPTED for one in tellings)
    accepted = accepted and state is not E.REVERSED
    after = Told(state.value, payout, accepted, told.count + len(tellings))
    return msgspec.structs.replace(story, told=after), tellings


def state_of(story: Story) -> PostbackEvent | None:
    """Return what holds now; None while there is nothing to tell."""
    if story.facts is None or story.facts.reported_at is None or not story.whole:
        return None
    if not any(purse.total for purse in story.purses):
        return E.REVERSED if any(purse.posted for purse in story.purses) else None
    if story.facts.held:
        return E.HELD
    return E.ACCEPTED if any(purse.pending for purse in story.purses) else E.APPROVED


def payout_of(story: Story) -> Payout:
    """Return what stands. A conversion is paid in one currency, that of its partner; were it
    another one before, nothing stands in that."""
    best = max(story.purses, key=lambda purse: (purse.total, purse.currency))
    return Payout(best.total, best.currency)


Step = tuple[PostbackEvent, PostbackEvent, Payout]


def _steps(story: Story, state: PostbackEvent, payout: Payout) -> list[Step]:
    told = story.told
    if state.value == told.state:
        same = state is E.REVERSED or payout == told.payout
        return [] if same else [(E.CHANGED, state, payout)]
    steps: list[Step] = [(state, state, payout)]
    if state is E.APPROVED and not told.accepted:
        steps.insert(0, (E.ACCEPTED, E.ACCEPTED, payout))
    elif state is E.REVERSED and told.state is None:
        best = max(story.purses, key=lambda purse: (purse.posted, purse.currency))
        steps.insert(0, (E.ACCEPTED, E.ACCEPTED, Payout(best.posted, best.currency)))
    return steps


def _telling(
    story: Story, number: int, event: PostbackEvent, state: PostbackEvent, payout: Payout
) -> Telling:
    what = f"{event.value} {state.value} {payout.minor} {payout.currency}"
    event_id = derive("postback", story.conversion_key, story.partner_id, number, what)
    return Telling(event_id, number, event, state, payout)
