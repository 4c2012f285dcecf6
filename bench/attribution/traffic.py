"""Clicks and conversions for the benchmarks, as their own services would have encoded them.

Visitors come back; a click has one of 200 shapes: offer, partner, user agent, tags.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from hashlib import blake2b

import msgspec
from msgspec import Struct

from afflux.kernel.catalog import Goal, Landing, Offer, Terms
from afflux.kernel.events import CatalogChange, Click, Conversion, Operation
from afflux.kernel.events.tracking import Authentication, Channel, PartitionReason, Status
from afflux.kernel.ids import derive, ulid
from afflux.kernel.types import Millis
from afflux.runtime.avro_pieces import long
from afflux.runtime.codec import Codec

OFFERS = range(1, 5)
PARTNERS = 40
SHAPES = 200
WINDOW_S = 30 * 86_400
_ID, _VISITOR = b"\xa5click id here..", b"\xa5visitor is here"
_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/{}.0.0.0 Safari/537.36"
)


class Encoded(Struct, frozen=True, gc=False):
    """A record; `at` is its instant in milliseconds."""

    key: bytes
    value: bytes
    at: int


class Shape(Struct, frozen=True):
    """An encoded click, cut where the next click differs."""

    head: bytes
    middle: bytes
    between: bytes
    tail: bytes

    @classmethod
    def of(cls, codec: Codec, click: Click) -> Shape:
        """Cut the datum of a click whose id and visitor are the marks."""
        head, rest, more = codec.encode(click).split(_ID)
        between, tail = more.split(_VISITOR)
        stamps = long(click.occurred_at) + long(click.recorded_at)
        if not rest.startswith(stamps):
            raise ValueError("the instants do not stand behind the event's id")
        return cls(head, rest[len(stamps) :], between, tail)

    def datum(self, click_id: bytes, visitor: bytes, at: int) -> bytes:
        """Return the datum of this click by another visitor at another instant."""
        stamp = long(at)
        parts = (self.head, click_id, stamp, stamp, self.middle, click_id, self.between, visitor)
        return b"".join((*parts, self.tail))


def visitor_key(number: int) -> bytes:
    """Return the key of visitor `number`."""
    return blake2b(number.to_bytes(8, "big"), digest_size=16).digest()


def click_id(number: int, at: int) -> bytes:
    """Return the id of click `number` at an instant."""
    return ulid(Millis(at), number.to_bytes(10, "big"))


def shaped(number: int, click: bytes = _ID, visitor: bytes = _VISITOR, at: int = 1) -> Click:
    """Return a click of shape `number`."""
    offer, partner = OFFERS[number % len(OFFERS)], 1 + number % PARTNERS
    return Click(
        event_id=click,
        occurred_at=Millis(at),
        recorded_at=Millis(at),
        click_id=click,
        visitor_key=visitor,
        visitor_is_new=number % 3 == 0,
        link_id=1_000 + number % 60,
        partner_id=partner,
        offer_id=offer,
        advertiser_id=1,
        landing_id=1,
        ip_prefix=f"{11 + number % 170}.{number % 100}.7.0/24",
        ip_hash=derive("address", number),
        country=("DE", "FR", "US", "BR")[number % 4],
        asn=3_000 + number,
        user_agent=_AGENT.format(90 + number % 40),
        device="desktop",
        os="Windows",
        browser="Chrome",
        language=("de", "en", "fr")[number % 3],
        referrer_host=f"blog-{number % 50}.example",
        referrer_path=f"/post/{number % 5}",
        source=("blog", "mail", None)[number % 3],
        sub=[f"banner-{number % 50}", "summer"][: number % 3],
        ref_id=derive("ref", number).hex()[:20],
        fetch_metadata="cross-site,navigate,document",
        edge_id="edge-1",
        journal_position=number,
    )


def shapes(codec: Codec) -> list[Shape]:
    """Return every shape."""
    return [Shape.of(codec, shaped(number)) for number in range(SHAPES)]


def clicks(
    codec: Codec, count: int, visitors: int, start: int, per_s: int, first: int = 0
) -> Iterator[Encoded]:
    """Yield `count` clicks of visitors that come back, `per_s` in each second from `start` (ms).

    Click number n has the id `click_id(n, at)` and the shape n % SHAPES; `first` is the first n.
    """
    made, keys = shapes(codec), [visitor_key(number) for number in range(visitors)]
    dice = random.Random(first)
    for number in range(first, first + count):
        at = start + (number - first) * 1_000 // per_s
        visitor = keys[int(dice.random() * visitors)]
        yield Encoded(visitor, made[number % SHAPES].datum(click_id(number, at), visitor, at), at)


def conversion(
    number: int, at: int, visitor: bytes, named: tuple[int, bytes, int] | None = None
) -> Conversion:
    """Return conversion `number` of a visitor, naming a click (its number, id, instant) or none."""
    shape = None if named is None else shaped(named[0])
    return Conversion(
        event_id=derive("report", number, at),
        occurred_at=Millis(at),
        recorded_at=Millis(at),
        conversion_key=derive("conversion", number, at),
        body_hash=derive("body", number),
        advertiser_id=1,
        goal="sale",
        transaction_id=f"order-{number}",
        click_id=None if named is None else named[1],
        visitor_key=visitor,
        click_partner_id=None if shape is None else shape.partner_id,
        click_offer_id=None if shape is None else shape.offer_id,
        click_link_id=None if shape is None else shape.link_id,
        clicked_at=None if named is None else Millis(named[2]),
        value_minor=4_900 + number % 1_000,
        currency="EUR",
        country="DE",
        channel=Channel.POSTBACK,
        authentication=Authentication.HMAC,
        status=Status.APPROVED,
        partition_reason=PartitionReason.VISITOR,
        edge_id="edge-1",
        journal_position=number,
    )


def offers(model: str = "last") -> list[CatalogChange]:
    """Return the offers of the clicks, true and known from the beginning."""
    return [_change(number, model) for number in OFFERS]


def _change(number: int, model: str) -> CatalogChange:
    offer = Offer(
        id=number,
        advertiser_id=1,
        name=f"offer {number}",
        landings=[Landing(id=1, url="https://shop.example/?c={click_id}")],
        goals=[Goal(name="sale", revenue=Terms(percent="10"))],
        click_window_s=WINDOW_S,
        model=model,
    )
    return CatalogChange(
        event_id=derive("change", offer.entity_id, 1),
        occurred_at=Millis(0),
        recorded_at=Millis(0),
        kind="offer",
        entity_id=offer.entity_id,
        version=1,
        valid_from=Millis(0),
        operation=Operation.PUT,
        body=msgspec.json.encode(offer).decode(),
        author="bench",
    )
