"""What is sent: the values of the macros, and for which events."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from afflux.kernel.catalog import Partner, Postback
from afflux.kernel.ids import ulid_text
from afflux.kernel.postback import POSTBACK_MACROS, PostbackEvent, PostbackMethod
from services.notify.domain.masking import masked
from services.notify.domain.rendering import Delivery
from services.notify.process import requests
from tests.notify_samples import (
    CLICK,
    EVERY,
    Teller,
    catalog_with,
    credited,
    entry,
    partner_with,
    share,
)
from tests.payouts_samples import PARTNER, T0, key_of

ALL = "https://t.example/pb?" + "&".join(f"{n}={{{n}}}" for n in sorted(POSTBACK_MACROS))


def first(partner: Partner, **more: object) -> list[Delivery]:
    """What a partner gets for an accepted conversion."""
    teller = Teller().feed(credited(**more), entry(0))
    story, telling = teller.tellings[0]
    return requests(catalog_with(partner), story, [telling], T0)


def test_every_macro_has_its_value() -> None:
    (one,) = first(partner_with(ALL))
    values = {name: text[0] for name, text in parse_qs(urlsplit(one.url).query).items()}
    assert values.pop("event_id") == one.event_id.hex()
    assert len(values.pop("random")) == 32
    assert values == {
        "event": "accepted",
        "sequence": "1",
        "status": "pending",
        "conversion_id": key_of("t1").hex(),
        "timestamp": str(T0 // 1000),
        "goal": "sale",
        "offer_id": "10",
        "partner_id": str(PARTNER),
        "click_id": ulid_text(CLICK),
        "ref_id": "ref/1 & more",
        "source": "blog",
        "amount": "100.00",
        "currency": "EUR",
        "payout": "8.00",
        "payout_currency": "EUR",
        "country": "DE",
        "device": "mobile",
        "sub1": "one",
        "sub3": "drei",
    }


def test_T4_a_value_stays_in_its_place() -> None:
    (one,) = first(partner_with("https://t.example/{ref_id}/x?a=1#frag"))
    assert one.url == "https://t.example/ref%2F1%20%26%20more/x?a=1"


def test_a_post_has_every_value_in_its_body() -> None:
    (one,) = first(partner_with("https://t.example/", method=PostbackMethod.POST))
    body = json.loads(one.body)
    assert (one.method, body["payout"], body["ref_id"]) == ("POST", "8.00", "ref/1 & more")
    assert body.keys() <= POSTBACK_MACROS


def test_what_is_unknown_is_empty() -> None:
    (one,) = first(
        partner_with("https://t.example/?a={sub9}&b={amount}"), value=None, currency=None
    )
    assert one.url == "https://t.example/?a=&b="


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({"events": EVERY}, True),
        ({"events": [PostbackEvent.ACCEPTED]}, True),
        ({"events": [PostbackEvent.APPROVED]}, False),
        ({"events": EVERY, "goals": ["sale"]}, True),
        ({"events": EVERY, "goals": ["lead"]}, False),
        ({"events": EVERY, "offers": [10]}, True),
        ({"events": EVERY, "offers": [11]}, False),
    ],
)
def test_a_postback_is_called_for_what_it_asks(more: dict[str, object], asked: bool) -> None:
    assert bool(first(partner_with("https://t.example/", **more))) == asked  # type: ignore[arg-type]


def test_each_postback_of_a_partner_is_a_delivery_of_its_own() -> None:
    posts = [Postback(url=f"https://t.example/{n}", events=EVERY, sign=n == 1) for n in (0, 1)]
    made = first(Partner(id=PARTNER, name="p", postbacks=posts, postback_key="k2"))
    assert [(one.slot, one.url[-1], one.key_id) for one in made] == [(0, "0", None), (1, "1", "k2")]
    assert len({one.delivery_id for one in made}) == 2
    assert len({one.event_id for one in made}) == 1
    assert {one.endpoint for one in made} == {f"{PARTNER} t.example"}


def test_a_template_that_todays_rules_refuse_stops_nobody() -> None:
    posts = [
        Postback(url=url, events=EVERY) for url in ("http://a.example:22/", "http://a.example/")
    ]
    made = first(Partner(id=PARTNER, name="p", postbacks=posts))
    assert [one.slot for one in made] == [1]


def test_shares_of_several_clicks_name_the_latest() -> None:
    (one,) = first(partner_with("https://t.example/?c={ref_id}"), shares=[share(), share(101)])
    assert one.url.endswith("c=ref%2F1%20%26%20more")


def test_secrets_of_the_receiver_are_hidden_in_the_log() -> None:
    shown = masked("https://t.example/pb?sub1=a&access_token=abc&goal=sale&Secret=x#y")
    assert shown == "https://t.example/pb?sub1=a&access_token=***&goal=sale&Secret=***#y"
