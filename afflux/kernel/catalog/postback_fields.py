"""How a catalogue file spells the postbacks of a partner."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from afflux.kernel import scalars
from afflux.kernel.catalog.entities import Postback
from afflux.kernel.document import Field, listing, record, scalar
from afflux.kernel.postback import PostbackEvent, PostbackMethod, postback_url

Show = Callable[[Struct, Mapping[str, Field]], object]
_POSTBACK = {
    "url": Field("url", scalar(postback_url), required=True),
    "events": Field(
        "events", listing(scalar(scalars.choice(PostbackEvent)), at_least=1), required=True
    ),
    "goals": Field("goals", listing(scalar(scalars.name))),
    "offers": Field("offers", listing(scalar(scalars.number_id))),
    "method": Field("method", scalar(scalars.choice(PostbackMethod))),
    "sign": Field("sign", scalar(scalars.flag)),
}


def postback_fields(show: Show) -> dict[str, Field]:
    """Return the keys of a partner about its postbacks; `show` shows one struct again."""

    def show_all(value: object) -> object:
        return [show(one, _POSTBACK) for one in value] if isinstance(value, list) else value

    return {
        "postbacks": Field("postbacks", listing(record(Postback, _POSTBACK)), show_all),
        "postback_key": Field("postback_key", scalar(scalars.key_id)),
    }
