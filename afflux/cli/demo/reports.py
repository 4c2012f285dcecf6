"""Reports as an advertiser's system would send them: parameters, signature, forgeries."""

from __future__ import annotations

import hmac
import json
import time
from urllib.parse import urlencode

from msgspec import Struct

from afflux.cli.demo.plan import Adjust, Report
from afflux.kernel.keys import postback_key, postback_token


class Wire(Struct, frozen=True):
    """An HTTP request to the edge."""

    method: str
    target: str
    body: bytes
    headers: dict[str, str]


class Sender:
    """Builds the requests of all advertisers from the demo network's own secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._nonce = 0

    def report(self, report: Report, click_id: str | None) -> Wire:
        """Return the request of a report; `wrong` says what about it is forged."""
        fields = {
            "goal": report.goal,
            "txn_id": report.txn_id,
            "currency": report.currency,
            "click_id": _forge(click_id) if report.wrong == "click_id" else click_id,
            "amount": report.amount,
            "customer_id": f"customer-{report.txn_id}",
        }
        given = {name: value for name, value in fields.items() if value is not None}
        if report.how == "api":
            return self._signed(
                "/v1/conversions", report.advertiser_id, given, wrong=report.wrong is not None
            )
        given["advertiser"] = str(report.advertiser_id)
        if report.how == "post" or report.wrong == "token":
            token = postback_token(self._secret, report.advertiser_id, 1)
            given["token"] = token[::-1] if report.wrong in ("token", "signature") else token
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            return Wire("POST", "/postback", urlencode(given).encode(), form)
        return self._signed_query(given, report)

    def adjustment(self, adjust: Adjust) -> Wire:
        """Return the request of an adjustment."""
        fields = {
            "goal": adjust.goal,
            "txn_id": adjust.txn_id,
            "kind": adjust.kind,
            "reason": "demo",
        }
        if adjust.amount is not None:
            fields |= {"amount": adjust.amount, "currency": adjust.currency}
        return self._signed("/v1/adjustments", adjust.advertiser_id, fields)

    def _signed_query(self, given: dict[str, str], report: Report) -> Wire:
        ts, nonce = self._fresh()
        query = urlencode({**given, "kid": "k1", "ts": ts, "nonce": nonce})
        signature = self._sign(report.advertiser_id, "GET", "/postback", query, ts, nonce, b"")
        if report.wrong == "signature":
            signature = signature[::-1]
        return Wire("GET", f"/postback?{query}&sig={signature}", b"", {})

    def _signed(
        self, path: str, advertiser_id: int, fields: dict[str, str], *, wrong: bool = False
    ) -> Wire:
        ts, nonce = self._fresh()
        body = json.dumps(fields).encode()
        signature = self._sign(advertiser_id, "POST", path, "", ts, nonce, body)
        headers = {
            "Content-Type": "application/json",
            "X-Afflux-Advertiser": str(advertiser_id),
            "X-Afflux-Key": "k1",
            "X-Afflux-Timestamp": ts,
            "X-Afflux-Nonce": nonce,
            "X-Afflux-Signature": signature[::-1] if wrong else signature,
        }
        return Wire("POST", path, body, headers)

    def _sign(
        self,
        advertiser_id: int,
        method: str,
        path: str,
        query: str,
        ts: str,
        nonce: str,
        body: bytes,
    ) -> str:
        key = postback_key(self._secret, advertiser_id, "k1")
        signed = "\n".join((method, path, query, ts, nonce)).encode() + b"\n" + body
        return hmac.digest(key, signed, "sha256").hex()

    def _fresh(self) -> tuple[str, str]:
        self._nonce += 1
        return str(int(time.time())), f"demo-{self._nonce:012}"


def _forge(click_id: str | None) -> str:
    """Change one character in the middle of a click id, as somebody who guesses would."""
    text = click_id or "A" * 76
    other = "A" if text[40] != "A" else "B"
    return text[:40] + other + text[41:]
