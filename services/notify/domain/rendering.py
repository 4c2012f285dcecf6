"""From an event and a partner's postbacks to the requests to be sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from msgspec import Struct

from afflux.kernel.catalog import Partner, Postback
from afflux.kernel.ids import derive, ulid_text
from afflux.kernel.macros import MacroError, Template
from afflux.kernel.money import major
from afflux.kernel.postback import PostbackMethod, postback_template
from services.notify.domain.entitled import Slotted
from services.notify.domain.stories import Facts, Story
from services.notify.domain.telling import STATUS, Telling


class Delivery(Struct, frozen=True):
    """One request to be sent: `slot` is the place of the postback in the partner's list.

    `endpoint` is the partner and the host: what is slow or dead there delays nobody else.
    `key_id` names the key that signs it, None for unsigned ones.
    """

    delivery_id: bytes
    event_id: bytes
    conversion_key: bytes
    partner_id: int
    slot: int
    number: int
    event: str
    endpoint: str
    method: str
    url: str
    body: str
    key_id: str | None


def deliveries(
    story: Story, telling: Telling, partner: Partner, postbacks: Sequence[Slotted]
) -> list[Delivery]:
    """Return a request for each of these postbacks of the partner that asks for this event."""
    wanted = [(slot, post) for slot, post in postbacks if telling.event in post.events]
    if not wanted:
        return []
    values = values_of(story, telling)
    made = (_delivery(story, telling, partner, slot, post, values) for slot, post in wanted)
    return [one for one in made if one is not None]


def values_of(story: Story, telling: Telling) -> dict[str, str]:
    """Return the values of the macros; what is not known is absent."""
    facts = story.facts
    assert facts is not None
    click, payout = facts.click, telling.payout
    order = _order(facts)
    values: dict[str, str | None] = {
        "event": telling.event.value,
        "event_id": telling.event_id.hex(),
        "sequence": str(telling.number),
        "status": STATUS[telling.state],
        "conversion_id": story.conversion_key.hex(),
        "timestamp": str(facts.occurred_at // 1000),
        "goal": facts.goal,
        "offer_id": str(facts.offer_id),
        "partner_id": str(story.partner_id),
        "click_id": ulid_text(click.click_id) if click.click_id else None,
        "ref_id": click.ref_id,
        "source": click.source,
        "amount": order,
        "currency": facts.currency if order else None,
        "payout": major(payout.minor, payout.currency),
        "payout_currency": payout.currency,
        "country": click.country,
        "device": click.device,
        "random": derive("random", telling.event_id).hex(),
        **{f"sub{place}": text for place, text in enumerate(click.sub, start=1)},
    }
    return {name: value for name, value in values.items() if value}


def _order(facts: Facts) -> str | None:
    if facts.amount_minor is None or facts.currency is None:
        return None
    try:
        return major(facts.amount_minor, facts.currency)
    except ValueError:  # a report in no known currency earns by its flat terms only
        return None


def _delivery(
    story: Story,
    telling: Telling,
    partner: Partner,
    slot: int,
    postback: Postback,
    values: dict[str, str],
) -> Delivery | None:
    template = _template(postback.url)
    if template is None:
        return None
    url = template.render(values).partition("#")[0]  # a fragment stays at home
    posts = postback.method is PostbackMethod.POST
    return Delivery(
        delivery_id=derive("delivery", telling.event_id, slot),
        event_id=telling.event_id,
        conversion_key=story.conversion_key,
        partner_id=story.partner_id,
        slot=slot,
        number=telling.number,
        event=telling.event.value,
        endpoint=f"{story.partner_id} {urlsplit(url).netloc.lower()}",
        method=postback.method.value,
        url=url,
        body=json.dumps(values, separators=(",", ":")) if posts else "",
        key_id=partner.postback_key if postback.sign else None,
    )


@lru_cache(maxsize=4_096)
def _template(url: str) -> Template | None:
    """A URL that was accepted under laxer rules than today's is not called: one partner's template
    must not stop the others' postbacks."""
    try:
        return postback_template(url)
    except MacroError:
        return None
