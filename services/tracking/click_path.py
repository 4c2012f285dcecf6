"""The hot path: a request for a link becomes a journal record and an answer."""

from __future__ import annotations

from collections.abc import Container, Mapping

from msgspec import Struct

from afflux.kernel.events import ClickOutcome
from afflux.kernel.ids import ulid
from afflux.kernel.keys import click_key
from afflux.kernel.token import Signer
from services.tracking.click_records import Way, click_record, view_record
from services.tracking.domain.addresses import Proxies
from services.tracking.domain.agents import UNKNOWN, Classifier
from services.tracking.domain.caps import ClickCounts, Mark
from services.tracking.domain.clicks import visitor_cookie
from services.tracking.domain.entries import Kind
from services.tracking.domain.extras import NO_EXTRAS, Extras, read_extras, read_pair
from services.tracking.domain.geo import Locate
from services.tracking.domain.opt_out import OptOut
from services.tracking.domain.pixel import GIF
from services.tracking.domain.route import Route, Target
from services.tracking.domain.routes import EMPTY, Routes
from services.tracking.domain.targeting import Facts
from services.tracking.user_agents import UserAgents
from services.tracking.visitors import (
    Headers,
    Seen,
    Visit,
    Visitors,
)

__all__ = ["Answer", "ClickPath", "Headers", "Visit"]
_CLICK = int(Kind.CLICK)
_REDIRECTED, _PREVIEW = ClickOutcome.REDIRECTED, ClickOutcome.PREVIEW
_FALLBACK, _REFUSED = ClickOutcome.FALLBACK, ClickOutcome.REFUSED
_NO_STORE = ("cache-control", "no-store")
_TEXT = [("content-type", "text/plain; charset=utf-8"), _NO_STORE]
_IMAGE = [("content-type", "image/gif"), _NO_STORE]


class Answer(Struct, frozen=True, gc=False):
    """What to answer, and what to journal before (None: no link, nothing to journal).

    `outcome` is a ClickOutcome; for a view `counted` or `not_counted`; `unknown` where there is no
    link; `malformed` for what is no request for a link. `mark` goes into the journal's marks.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    payload: bytes | None
    outcome: str
    kind: int = int(Kind.CLICK)
    mark: Mark | None = None

    @property
    def location(self) -> str | None:
        """Where a redirect leads."""
        return self._header("location")

    @property
    def cookie(self) -> str | None:
        """The cookie that is set."""
        return self._header("set-cookie")

    def _header(self, wanted: str) -> str | None:
        return next((value for name, value in self.headers if name == wanted), None)


class ClickPath:
    """Turns visits into answers. Holds keys, the routes, counts and caches; no I/O but randomness.

    One thread at a time may ask for answers; routes and the geo database may change meanwhile.
    """

    def __init__(
        self,
        secret: bytes,
        key_id: int,
        *,
        secure_cookie: bool,
        proxies: Proxies | None = None,
        opt_out: OptOut = OptOut.GPC,
        classifier: Classifier | None = None,
        counts: ClickCounts | None = None,
    ) -> None:
        self.routes: Routes = EMPTY
        self.counts = counts or ClickCounts()
        self._signer = Signer(key_id, click_key(secret, key_id))
        self._secure = secure_cookie
        self._visitors = Visitors(secret, classifier or UserAgents(), opt_out, proxies or Proxies())

    def locate_with(self, locate: Locate) -> None:
        """Ask another geo database from now on."""
        self._visitors.locate_with(locate)

    def forget(self, erased: Container[bytes]) -> None:
        """Take whoever comes with the cookie of one of these visitors for somebody new."""
        self._visitors.erased = erased

    def warm(self) -> None:
        """Load what would hold up the first visitor: the patterns of user agents."""
        self._visitors.warm()

    def answer(self, visit: Visit) -> Answer:
        """Return the answer to a click on a link's code; pure but for fresh ids and counts."""
        route = self.routes.by_code.get(visit.code)
        return self._unknown() if route is None else self._click(visit, route)

    def answer_pair(self, visit: Visit) -> Answer:
        """Return the answer to a click that names offer and partner in its query."""
        pair = read_pair(visit.query)
        route = None if pair is None else self.routes.pairs.find(*pair)
        return self._unknown() if route is None else self._click(visit, route)

    def answer_view(self, visit: Visit) -> Answer:
        """Return the answer to a view: always the image, also where the view does not count."""
        route = self.routes.by_code.get(visit.code)
        kind = int(Kind.IMPRESSION)
        if route is None:
            return Answer(404, _IMAGE, GIF, None, "unknown", kind)
        seen = self._visitors.see(visit)
        reason = route.reason or ("preview" if seen.is_preview else None)
        view_id = ulid(visit.received_at, self._visitors.random(10))
        kept = self._visitors.kept_agent(seen)
        extras = read_extras(visit.query) if visit.query else NO_EXTRAS
        payload = view_record(visit, route, seen, kept, extras, view_id, reason)
        cookie = self._cookie(seen)
        headers = _IMAGE if cookie is None else [*_IMAGE, cookie]
        outcome = "counted" if reason is None else "not_counted"
        return Answer(200, headers, GIF, payload, outcome, kind)

    def _unknown(self) -> Answer:
        return _answer(self.routes.fallback_url, None, None, "unknown", None)

    def _click(self, visit: Visit, route: Route) -> Answer:
        seen = self._visitors.see(visit)
        click_id = ulid(visit.received_at, self._visitors.random(10))
        extras = read_extras(visit.query) if visit.query else NO_EXTRAS
        if route.is_plain and not seen.is_preview:
            way = Way(route, route.target(seen.key), _REDIRECTED)
        else:
            way = self._way(visit, route, seen)
        mark = None if way.route.caps is None else self._count(visit, way, seen)
        target, location = way.target, None
        if target is not None:
            token = self._signer.sign(click_id, seen.key, way.route.tail)
            if extras.to is None and not target.needs:
                location = target.expand(token, extras.values)
            else:
                way, location = self._lead(visit, way, target, seen, extras, token)
        kept = self._visitors.kept_agent(seen) if seen.opted_out else seen.browser.block
        currency = self.routes.currency
        payload = click_record(visit, way, seen, kept, extras, click_id, currency)
        cookie = self._cookie(seen) if seen.is_new else None
        return _answer(location, cookie, payload, way.outcome, mark)

    def _way(self, visit: Visit, route: Route, seen: Seen) -> Way:
        """Decide where a visit goes: to the link's landing, or along its fallbacks."""
        landed = _PREVIEW if seen.is_preview else _REDIRECTED
        reason = route.reason
        if reason is None and (route.rules is not None or route.caps is not None):
            reason = self._refusal(visit, route, seen)
        if reason is None:
            return Way(route, route.target(seen.key), landed)
        fallen = _PREVIEW if seen.is_preview else _FALLBACK
        for step in route.fallbacks:
            if isinstance(step, Target):
                return Way(route, step, fallen, reason)
            if self._refusal(visit, step, seen) is None:
                return Way(step, step.target(seen.key), fallen, reason)
        refused = _PREVIEW if seen.is_preview else _REFUSED
        return Way(route, None, refused, reason)

    def _refusal(self, visit: Visit, route: Route, seen: Seen) -> str | None:
        """Return why an active route does not take a visit; previews are nobody's visits."""
        if seen.is_preview:
            return None
        rules = route.rules
        if rules is not None:
            agent = self._visitors.agent(seen) if rules.needs_agent else UNKNOWN
            facts = Facts(visit.received_at, seen.country, seen.browser.language, agent)
            reason = rules.refusal(facts)
            if reason is not None:
                return reason
        if route.caps is not None and self.counts.reached(route.caps, visit.received_at):
            return "click_cap_reached"
        return None

    def _count(self, visit: Visit, way: Way, seen: Seen) -> Mark | None:
        """Count a click that an offer with caps takes."""
        caps, target = way.route.caps, way.target
        if caps is None or target is None or target.landing_id is None or seen.is_preview:
            return None
        return self.counts.take(caps, visit.received_at)

    def _lead(
        self, visit: Visit, way: Way, target: Target, seen: Seen, extras: Extras, token: str
    ) -> tuple[Way, str]:
        """Return the URL: the page asked for, if the link's own offer allows it, or the target."""
        if extras.to is not None and way.reason is None:
            deep = way.route.deep
            if deep is not None:
                values = {**self._values(deep.needs, visit, seen, extras), **way.route.ids}
                location = deep.lead(extras.to, token, values)
                if location is not None:
                    return Way(way.route, None, way.outcome), location
            way = Way(way.route, target, way.outcome, "deep_link_not_allowed")
        return way, target.expand(token, self._values(target.needs, visit, seen, extras))

    def _values(
        self, needs: frozenset[str], visit: Visit, seen: Seen, extras: Extras
    ) -> Mapping[str, str]:
        """Return the values of macros: the partner's, and those that come up at the click."""
        if not needs:
            return extras.values
        values = dict(extras.values)
        if "timestamp" in needs:
            values["timestamp"] = str(visit.received_at // 1_000)
        if "random" in needs:
            values["random"] = self._visitors.random(8).hex()
        if "country" in needs and seen.country is not None:
            values["country"] = seen.country
        if "device" in needs:
            device = self._visitors.agent(seen).device
            values["device"] = "" if device == "unknown" else device
        return values

    def _cookie(self, seen: Seen) -> tuple[str, str] | None:
        if not seen.is_new or seen.opted_out is not None or seen.is_preview:
            return None
        return "set-cookie", visitor_cookie(seen.key, secure=self._secure)


def _answer(
    location: str | None,
    cookie: tuple[str, str] | None,
    payload: bytes | None,
    outcome: str,
    mark: Mark | None,
) -> Answer:
    if location is None:
        return Answer(404, _TEXT, b"This link leads nowhere.\n", payload, outcome)
    headers = [("location", location), _NO_STORE]
    if cookie is not None:
        headers.append(cookie)
    return Answer(302, headers, b"", payload, outcome, _CLICK, mark)
