"""A partner's endpoint for postbacks: checks the signature, takes each event once, keeps the order.

Run: python receiver.py PORT KEY
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

PORT, KEY = int(sys.argv[1]), sys.argv[2].encode()
seen: set[tuple[str, str]] = set()


def signed(headers, method: str, url: str, body: bytes) -> bool:  # type: ignore[no-untyped-def]
    """Return whether the network sent this, and not long ago."""
    timestamp = headers["X-Afflux-Timestamp"] or "0"
    text = f"{timestamp}\n{method}\n{url}\n".encode() + body
    expected = hmac.new(KEY, text, hashlib.sha256).hexdigest()
    fresh = abs(time.time() - int(timestamp)) <= 300
    return fresh and hmac.compare_digest(expected, headers["X-Afflux-Signature"] or "")


class Postback(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        query = {name: text[0] for name, text in parse_qs(urlsplit(self.path).query).items()}
        self.take(b"", f"{query['event']} {query['payout']} {query['cur']} ref={query.get('ref')}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = json.loads(body)
        self.take(body, f"json {told['event']} {told['payout']} sub1={told.get('sub1')}")

    def take(self, body: bytes, what: str) -> None:
        url = f"http://{self.headers['Host']}{self.path}"  # as configured in the network
        if not signed(self.headers, self.command, url, body):
            self.send_error(401)
            return
        again = (self.headers["X-Afflux-Event-Id"], urlsplit(self.path).path)
        if again not in seen:  # a repeat is answered 200 too, and does nothing
            seen.add(again)
            sys.stdout.write(f"received {what}\n")
            sys.stdout.flush()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"thanks")

    def log_message(self, *_: object) -> None:
        """Quiet."""


HTTPServer(("127.0.0.1", PORT), Postback).serve_forever()
