"""Postbacks, pixels, JSON batches, adjustments: authenticate, build, keep once, answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping

import msgspec

from afflux.kernel.events import Channel
from services.tracking.domain.adjustments import read_adjustment
from services.tracking.domain.authentication import (
    NETWORK_KID,
    Authenticator,
    Identity,
    Request,
    read_credentials,
)
from services.tracking.domain.bodies import unpack
from services.tracking.domain.conversions import ReportContext, read_conversion
from services.tracking.domain.limits import Gate
from services.tracking.domain.pixel import read_pixel, with_cookie
from services.tracking.domain.presets import Presets, translate
from services.tracking.domain.refusal import Refusal
from services.tracking.domain.requests import json_items, parse_params, postback_params
from services.tracking.keeping import Built, Keeper, Site

MAX_POSTBACK = 64 << 10
MAX_BATCH_BODY = 1 << 20
POSTBACK = "/postback"
PRESET = "/postback/"
"""Where presets are: a name follows."""
Answer = tuple[int, dict[str, object]]
Builder = Callable[[Mapping[str, object], ReportContext], Built]


class Reports:
    """The report endpoints of one edge."""

    def __init__(
        self,
        site: Site,
        authenticator: Authenticator,
        gate: Gate,
        keeper: Keeper,
        presets: Presets,
    ) -> None:
        self._site = site
        self._authenticator = authenticator
        self._gate = gate
        self._keeper = keeper
        self._presets = presets

    async def postback(self, request: Request) -> Answer:
        """Answer GET or POST /postback and /postback/PRESET: one conversion."""
        unpacked = _unpacked(request, MAX_POSTBACK)
        if isinstance(unpacked, Refusal):
            return await self.refuse(request, unpacked)
        params = postback_params(unpacked)
        if isinstance(params, Refusal):
            return await self.refuse(unpacked, params)
        identity = self._identify(params, request)
        if isinstance(identity, Refusal):
            return await self.refuse(unpacked, identity)
        limited = self._gate.reports(identity.advertiser, 1, request.received_at)
        if limited is not None:
            return await self.refuse(unpacked, limited, identity)
        fields = self._fields(params, request.path)
        built: Built = (
            fields
            if isinstance(fields, Refusal)
            else read_conversion(fields, self._context(identity, Channel.POSTBACK, request))
        )
        return _answer(await self._keeper.answer(built, unpacked, identity))

    async def pixel(self, request: Request) -> Answer:
        """Answer GET or POST /pixel: one conversion, reported by a browser."""
        unpacked = _unpacked(request, MAX_POSTBACK)
        if isinstance(unpacked, Refusal):
            return await self.refuse(request, unpacked)
        params = postback_params(unpacked)
        if isinstance(params, Refusal):
            return await self.refuse(unpacked, params)
        network = self._network(params, request)
        if isinstance(network, Refusal):
            return await self.refuse(unpacked, network)
        unpacked = with_cookie(unpacked, params)
        advertisers, keys = self._site.routes().advertisers, self._site.click_keys
        found = read_pixel(params, request.header("cookie"), keys, advertisers, network)
        if isinstance(found, Refusal):
            return await self.refuse(unpacked, found, network)
        limited = self._gate.reports(found.identity.advertiser, 1, request.received_at)
        if limited is not None:
            return await self.refuse(unpacked, limited, found.identity)
        context = self._context(found.identity, Channel.PIXEL, request)
        built = read_conversion(found.fields, context, visitor_key=found.visitor_key)
        return _answer(await self._keeper.answer(built, unpacked, found.identity))

    async def conversions(self, request: Request) -> Answer:
        """Answer POST /v1/conversions: one object, or a batch with a result per item."""
        return await self._batch(request, "conversions", read_conversion)

    async def adjustments(self, request: Request) -> Answer:
        """Answer POST /v1/adjustments: one object, or a batch with a result per item."""
        return await self._batch(request, "adjustments", read_adjustment)

    async def refuse(
        self, request: Request, refusal: Refusal, identity: Identity | None = None
    ) -> Answer:
        """Refuse a whole request and keep that, unless its sender sends too much.

        Whose sender is proven counts as one report of it, else as a failure of its address.
        """
        if refusal.is_kept:
            at = request.received_at
            limited = (
                self._gate.failure(request.address, at)
                if identity is None
                else self._gate.reports(identity.advertiser, 1, at)
            )
            refusal = limited or refusal
        return _answer(await self._keeper.answer(refusal, request, identity))

    async def _batch(self, request: Request, name: str, build: Builder) -> Answer:
        params = parse_params(request.query)
        if isinstance(params, Refusal):
            return await self.refuse(request, params)
        identity = self._identify(params, request)
        if isinstance(identity, Refusal):
            return await self.refuse(request, identity)
        unpacked = _unpacked(request, MAX_BATCH_BODY)
        if isinstance(unpacked, Refusal):
            return await self.refuse(request, unpacked, identity)
        found = json_items(unpacked.body, name)
        if isinstance(found, Refusal):
            return await self.refuse(unpacked, found, identity)
        items, is_single = found
        limited = self._gate.reports(identity.advertiser, len(items), request.received_at)
        if limited is not None:
            return await self.refuse(unpacked, limited, identity)
        context = self._context(identity, Channel.API, request)

        async def answer(item: object) -> dict[str, object]:
            built = (
                build(item, context)
                if isinstance(item, dict)
                else Refusal("body_invalid", "an item is a JSON object")
            )
            raw = None if is_single else json.dumps(item).encode()
            return await self._keeper.answer(built, unpacked, identity, raw)

        results = await asyncio.gather(*map(answer, items))
        return _answer(results[0]) if is_single else _batch_answer(results)

    def _fields(self, params: Mapping[str, object], path: str) -> Mapping[str, object] | Refusal:
        """Return the fields of a postback under our names, through its preset if it has one."""
        named = path.removeprefix(PRESET) if path.startswith(PRESET) else params.get("preset")
        if named in (None, ""):
            return params
        preset = self._presets.get(str(named))
        if preset is None:
            known = ", ".join(self._presets)
            return Refusal("preset_unknown", f"{str(named)[:40]!r} is none of {known}", "preset")
        return translate(params, preset)

    def _identify(self, params: Mapping[str, object], request: Request) -> Identity | Refusal:
        given = read_credentials(params, request)
        return self._authenticator.check(given, request, self._site.routes().advertisers)

    def _network(self, params: Mapping[str, object], request: Request) -> Identity | Refusal | None:
        """Return for whom the network resubmits what a browser reported; None if it does not."""
        is_said = read_credentials(params, request).kid == NETWORK_KID
        return self._identify(params, request) if is_said else None

    def _context(self, identity: Identity, channel: Channel, request: Request) -> ReportContext:
        return ReportContext(
            advertiser=identity.advertiser,
            authentication=identity.authentication,
            channel=channel,
            received_at=request.received_at,
            click_keys=self._site.click_keys,
            customer_secret=self._site.customer_secret,
            find_offer=self._site.routes().offers.get,
            edge_id=self._site.edge_id,
            tenant_id=self._site.tenant_id,
            first_received_at=identity.first_received_at,
            erased=self._site.erased,
        )


def _unpacked(request: Request, limit: int) -> Request | Refusal:
    encoding = request.header("content-encoding")
    if not encoding or not request.body:
        return request
    body = unpack(request.body, encoding, limit)
    return body if isinstance(body, Refusal) else msgspec.structs.replace(request, body=body)


def _answer(answer: dict[str, object]) -> Answer:
    code = answer["code"]
    assert isinstance(code, int)
    return code, answer


def _batch_answer(results: list[dict[str, object]]) -> Answer:
    """A batch is 200 if all of it is kept, 503 if some must be sent again, else 207."""
    counts = {
        name: sum(result["status"] == name for result in results)
        for name in ("accepted", "duplicate", "refused")
    }
    full = any(result["code"] == 503 for result in results)
    code = 503 if full else 207 if counts["refused"] else 200
    return code, {**counts, "results": results}
