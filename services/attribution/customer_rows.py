"""How customers' books look as bytes.

| key | value |
|---|---|
| `b` customer 16, conversion key 16 | what a conversion asks, what was published |
| `a` customer 16, conversion key 16 | the decision that was made without looking at the customer |
| `w` customer 16, conversion key 16 | a conversion that waits for its first decision: until when |
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from afflux.kernel.events import Decision
from afflux.kernel.types import Millis
from services.attribution.domain.customers import Member

WAITING = b"w"


class Entry(Struct, frozen=True, array_like=True):
    """A conversion in its customer's book.

    `asked_version` is the request's it comes from, `first` the version behind which ours count,
    `read_at` the worker's clock when the report was read. `version`, `decision_id` and `epoch` are
    those of the last published decision (0 and None before); `inputs` is the hash of all it came
    from.
    """

    member: Member
    asked_id: bytes
    asked_version: int
    first: int
    read_at: Millis
    version: int = 0
    epoch: int = 0
    decision_id: bytes | None = None
    inputs: bytes | None = None


_entry = msgspec.msgpack.Decoder(Entry)
_asked = msgspec.msgpack.Decoder(Decision)
encode = msgspec.msgpack.encode


def book_prefix(customer: bytes) -> bytes:
    """Return the family of a customer's conversions."""
    return b"b" + customer


def entry_key(customer: bytes, conversion_key: bytes) -> bytes:
    """Return the key of one conversion in its customer's book."""
    return b"b" + customer + conversion_key


def asked_key(customer: bytes, conversion_key: bytes) -> bytes:
    """Return the key of the decision that was made without the customer."""
    return b"a" + customer + conversion_key


def waiting_key(customer: bytes, conversion_key: bytes) -> bytes:
    """Return the key that says that a conversion waits."""
    return WAITING + customer + conversion_key


def split_waiting_key(key: bytes) -> tuple[bytes, bytes]:
    """Return customer and conversion key of one that waits."""
    return key[1:17], key[17:]


def unpack_entry(row: bytes) -> Entry:
    """Return a conversion of a book from its row."""
    return _entry.decode(row)


def unpack_asked(row: bytes) -> Decision:
    """Return a decision from its row."""
    return _asked.decode(row)
