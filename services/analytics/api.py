"""The KPI API: read-only, for operators; it binds to the loopback address by default.

`GET /v1/kpi` answers questions, `GET /v1/conversions/KEY/trace` tells all about one conversion and
why it is whose it is, `GET /v1/partners/ID/conversions/KEY/trace` what a partner may know of it;
`/v1/position` and `/v1/conservation` are for those who check law K1.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from afflux.kernel.types import Millis
from afflux.runtime.pg import AsyncConnection
from services.analytics.accounts import accounts
from services.analytics.bounds import positions
from services.analytics.conservation import ConservationAnswer, tallies
from services.analytics.domain import query as queries
from services.analytics.domain.filters import Refusal, parse_dimension, parse_where
from services.analytics.domain.kpis import chosen
from services.analytics.explain import Explainer, explanation, partner_trace
from services.analytics.kpi import run_query
from services.analytics.layout import as_csv, as_json, shadow_csv
from services.analytics.shadow import ShadowQuery, shadow_report
from services.analytics.trace import trace
from services.analytics.visitors import visitor
from services.analytics.warehouse import Warehouse

Reader = AsyncConnection[tuple[object, ...]]


class Ranges(BaseModel):
    """Offsets to look at: `topic/partition/start/end` each."""

    ranges: list[str]


def api_app(warehouse: Warehouse, reader: Reader, explainer: Explainer) -> FastAPI:
    """Return the app over a warehouse and a connection that reads the sink's bounds."""
    app = FastAPI(title="afflux analytics", redoc_url=None)
    app.add_exception_handler(Refusal, _refused)
    _add_kpi(app, warehouse)
    _add_shadow(app, warehouse)
    _add_traces(app, warehouse, explainer)

    @app.get("/v1/position")
    async def position() -> dict[str, dict[str, int]]:
        """Next offset by topic/partition: what lies below is stored."""
        stored = await positions(reader)
        return {"positions": {f"{p.topic}/{p.partition}": at for p, at in stored.items()}}

    @app.post("/v1/conservation")
    async def conservation(asked: Ranges) -> Response:
        """Count, XOR of hashes and sum of amounts of each bucket of 10,000 offsets (law K1)."""
        answer = ConservationAnswer(await tallies(warehouse, asked.ranges))
        return Response(msgspec.json.encode(answer), media_type="application/json")

    @app.get("/v1/accounts")
    async def every_account() -> dict[str, list[dict[str, str]]]:
        """Balance of every account and currency, added up from the transfers that are stored."""
        return {"accounts": await accounts(warehouse)}

    @app.get("/v1/visitors/{visitor_key}")
    async def one_visitor(visitor_key: str) -> dict[str, object]:
        """Rows of a visitor by table, and since when it is erased."""
        return await visitor(warehouse, parse_key(visitor_key, "visitor key"))

    return app


def _add_shadow(app: FastAPI, warehouse: Warehouse) -> None:
    @app.get("/v1/kpi/shadow")
    async def shadow(
        offer: int,
        model: str,
        goal: str | None = None,
        start: Annotated[str, Query(alias="from")] = "",
        end: Annotated[str, Query(alias="to")] = "",
        format: Literal["json", "csv"] = "json",
    ) -> Response:
        """What a trial run of another model would move, by partner; instants of the conversions:
        `from` is within, `to` is not."""
        first, last = parse_instant("from", start), parse_instant("to", end)
        told = await shadow_report(warehouse, ShadowQuery(offer, model, goal, first, last))
        if format == "csv":
            return Response(shadow_csv(told), media_type="text/csv; charset=utf-8")
        return _json(told)


def _add_traces(app: FastAPI, warehouse: Warehouse, explainer: Explainer) -> None:
    @app.get("/v1/trace/{conversion_key}", deprecated=True)
    @app.get("/v1/conversions/{conversion_key}/trace")
    async def one_conversion(conversion_key: str) -> Response:
        """Why a conversion is whose it is (null before it is decided), and all rows about it, by
        stage; the key is 32 hexadecimal digits."""
        key = parse_key(conversion_key, "conversion key")
        why = await explanation(warehouse, explainer, key)
        rows = await trace(warehouse, key)
        return _json({"conversion_key": key.hex(), "explanation": why, **rows})

    @app.get("/v1/partners/{partner_id}/conversions/{conversion_key}/trace")
    async def one_of_a_partner(partner_id: int, conversion_key: str) -> Response:
        """What this partner may know of a conversion, nothing of others (law K4); 404 where the
        partner had no touch and has no share, as for a conversion that does not exist."""
        key = parse_key(conversion_key, "conversion key")
        told = await partner_trace(warehouse, explainer, key, partner_id)
        if told is None:
            detail = f"partner {partner_id} has no touch in conversion {key.hex()}"
            return JSONResponse({"error": "not_found", "detail": detail}, status_code=404)
        return _json(told)


def _json(answer: object) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _add_kpi(app: FastAPI, warehouse: Warehouse) -> None:
    @app.get("/v1/kpi")
    async def kpi(
        by: str = "",
        kpis: str = "",
        start: Annotated[str, Query(alias="from")] = "",
        end: Annotated[str, Query(alias="to")] = "",
        where: Annotated[list[str] | None, Query()] = None,
        format: Literal["json", "csv"] = "json",
    ) -> Response:
        """KPIs split by dimensions; `from` is within, `to` is not."""
        asked = queries.Query(
            by=tuple(parse_dimension(name) for name in by.split(",") if name.strip()),
            where=parse_where(where or []),
            start=parse_instant("from", start),
            end=parse_instant("to", end),
        )
        result = await run_query(warehouse, asked, chosen(kpis, for_partner=False))
        if format == "csv":
            return Response(as_csv(result), media_type="text/csv; charset=utf-8")
        return Response(as_json(result), media_type="application/json")


def parse_key(text: str, what: str) -> bytes:
    """Return the 16 bytes of 32 hexadecimal digits; raises HTTPException 422."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 16:
        raise HTTPException(422, f"{text!r} is no {what}: 32 hex digits")
    return key


def parse_instant(name: str, text: str) -> Millis | None:
    """Return the instant of an ISO 8601 date or time, UTC where no zone is named."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(f"{name}={text!r} is no ISO 8601 date or time") from None
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return Millis(round(aware.timestamp() * 1000))


async def _refused(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": "refused", "detail": str(error)}, status_code=422)
