"""Live counts of assessments and dead letters since the monitor started."""

from __future__ import annotations

from collections import Counter

from afflux.kernel.events import Alert, Assessment, DeadLetterRecord, Verdict
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis
from services.monitor.domain.window import Crossing, Limit, ShareWatch

TOP = 20
HOLDS, DEAD_LETTERS = "hold_share", "dead_letter_share"

_TEXTS = {
    HOLDS: "conversions were held",
    DEAD_LETTERS: "records (assessments and dead letters) were dead letters",
}


class Counts:
    """Everything the web view shows; a repeated record counts again, which a person can bear.

    Each version of an assessment counts. The share of dead letters is among assessments and dead
    letters together: the monitor reads only topics of a low rate.
    """

    def __init__(self, holds: Limit, dead_letters: Limit) -> None:
        self.verdicts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.partners: dict[int, Counter[str]] = {}
        self.letters: dict[str, Counter[str]] = {}
        self.unreadable: Counter[str] = Counter()
        self._watches = {HOLDS: ShareWatch(holds), DEAD_LETTERS: ShareWatch(dead_letters)}

    def assessment(self, event: Assessment, now: Millis) -> list[Alert]:
        """Take one assessment; return what a person should see."""
        self.verdicts[event.verdict] += 1
        self.reasons.update(reason.rule for reason in event.reasons)
        for partner in {share.partner_id for share in event.decision.shares}:
            self.partners.setdefault(partner, Counter())[event.verdict] += 1
        held = event.verdict is Verdict.HOLD
        crossings = [
            self._watches[HOLDS].add(event.recorded_at, held),
            self._watches[DEAD_LETTERS].add(event.recorded_at, False),
        ]
        return self._alerts("conversions", crossings, now)

    def dead_letter(self, event: DeadLetterRecord, now: Millis) -> list[Alert]:
        """Take one dead letter; return what a person should see."""
        self.letters.setdefault(event.stage, Counter())[event.reason] += 1
        crossing = self._watches[DEAD_LETTERS].add(event.recorded_at, True)
        return self._alerts(event.origin_topic, [crossing], now)

    def unread(self, topic: str) -> None:
        """Take a record that could not be read."""
        self.unreadable[topic] += 1

    def view(self) -> dict[str, object]:
        """Return all counts for JSON; partners are the `TOP` by held and rejected, then by all."""

        def rank(item: tuple[int, Counter[str]]) -> tuple[int, int, int]:
            partner, found = item
            return -found.total() + found[Verdict.PASS], -found.total(), partner

        return {
            "assessments": {"total": self.verdicts.total(), "by_verdict": dict(self.verdicts)},
            "reasons": dict(self.reasons.most_common()),
            "partners": [
                {"partner_id": partner, **{verdict: found[verdict] for verdict in Verdict}}
                for partner, found in sorted(self.partners.items(), key=rank)[:TOP]
            ],
            "dead_letters": {
                "total": sum(found.total() for found in self.letters.values()),
                "by_stage": {stage: dict(found) for stage, found in sorted(self.letters.items())},
            },
            "unreadable": dict(self.unreadable),
            "shares": {name: watch.state() for name, watch in self._watches.items()},
        }

    def _alerts(self, subject: str, crossings: list[Crossing | None], now: Millis) -> list[Alert]:
        # History that is read late (a first start, a long stop) counts, but warns nobody.
        return [
            alert(subject, crossing)
            for crossing in crossings
            if crossing is not None and now - crossing.at <= crossing.limit.window_ms
        ]


def alert(subject: str, crossing: Crossing) -> Alert:
    """Return the alert of a crossing; its id derives from the limit and where the window began."""
    limit = crossing.limit
    share = crossing.bad / crossing.total
    return Alert(
        event_id=derive("alert", limit.name, subject, crossing.since, crossing.at),
        occurred_at=crossing.at,
        recorded_at=crossing.at,
        subject=subject,
        name=limit.name,
        text=(
            f"{crossing.bad} of the last {crossing.total} {_TEXTS[limit.name]}: "
            f"{share:.1%}, the limit is {limit.share:.1%}"
        ),
        value=f"{share:.4f}",
        threshold=f"{limit.share:.4f}",
        since=crossing.since,
    )
