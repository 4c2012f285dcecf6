"""Which commission rule applies: the most specific one, by a total order.

partner > group > offer goal > offer > network; within a level the higher priority, then the lower
id. A goal's own `commission` terms are the rule of its level that every declared one beats.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct

from afflux.kernel.catalog import Catalog, CommissionRule, Goal, Offer, Partner, Terms
from afflux.kernel.types import Millis

Rank = tuple[bool, bool, bool, bool, bool]
_GOAL_RANK: Rank = (False, False, True, True, True)


class Chosen(Struct, frozen=True):
    """The rule that won: the trace that every entry of its money carries."""

    rule_id: str
    rule_version: int
    level: str
    terms: Terms


def rank(rule: CommissionRule) -> Rank:
    """Return the specificity of a rule; compares like the order above."""
    offer, goal = rule.offer_id is not None, rule.goal is not None
    return (rule.partner_id is not None, rule.group is not None, offer and goal, offer, goal)


def level(of: Rank) -> str:
    """Return the name of a rank's leading scope."""
    names = ("partner", "group", "offer_goal", "offer", "goal")
    return next((name for name, has in zip(names, of, strict=True) if has), "network")


def matches(rule: CommissionRule, partner: Partner, offer: Offer, goal: Goal) -> bool:
    """Return whether every scope that the rule names is the one at hand."""
    return (
        rule.partner_id in (None, partner.id)
        and rule.group in (None, partner.group)
        and rule.offer_id in (None, offer.id)
        and rule.goal in (None, goal.name)
    )


def choose(
    rules: Iterable[tuple[CommissionRule, int]],
    partner: Partner,
    offer: tuple[Offer, int],
    goal: Goal,
) -> Chosen | None:
    """Return the rule that wins, or None when none matches and the goal has no terms.

    `rules` and `offer` come with their versions.
    """
    fitting = [pair for pair in rules if matches(pair[0], partner, offer[0], goal)]
    best = min(fitting, key=_preference, default=None)
    if best is None or (goal.commission is not None and rank(best[0]) < _GOAL_RANK):
        return _own(offer, goal)
    rule, version = best
    return Chosen(rule.id, version, level(rank(rule)), rule.terms)


def _preference(pair: tuple[CommissionRule, int]) -> tuple[list[bool], int, str]:
    rule = pair[0]
    return [not has for has in rank(rule)], -rule.priority, rule.id


def _own(offer: tuple[Offer, int], goal: Goal) -> Chosen | None:
    if goal.commission is None:
        return None
    return Chosen(goal_rule_id(offer[0], goal), offer[1], level(_GOAL_RANK), goal.commission)


def goal_rule_id(offer: Offer, goal: Goal) -> str:
    """Return the id that stands in entries for a goal's own terms."""
    return f"offer:{offer.id}:goal:{goal.name}"


class RuleBook:
    """The rules of a catalogue by what they name, so that a choice looks at few of them."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._revision = -1
        self._ids: dict[tuple[str, object], set[str]] = {}

    def candidates(
        self, partner: Partner, offer: Offer, valid_at: Millis, known_at: Millis
    ) -> list[tuple[CommissionRule, int]]:
        """Return the rules that may match, as they were at `valid_at`, known at `known_at`."""
        self._refresh()
        ids = {
            rule_id for bucket in _buckets(partner, offer) for rule_id in self._ids.get(bucket, ())
        }
        if not ids:
            return []
        find = self._catalog.find_version
        found = [find(CommissionRule, rule_id, valid_at, known_at) for rule_id in ids]
        return [pair for pair in found if pair is not None]

    def _refresh(self) -> None:
        if self._revision == self._catalog.revision:
            return
        ids: dict[tuple[str, object], set[str]] = defaultdict(set)
        for entity_id in self._catalog.ids(CommissionRule):
            for version in self._catalog.history(CommissionRule.kind, entity_id):
                if isinstance(version.entity, CommissionRule):
                    ids[_bucket(version.entity)].add(entity_id)
        self._ids, self._revision = ids, self._catalog.revision


def _bucket(rule: CommissionRule) -> tuple[str, object]:
    if rule.partner_id is not None:
        return "partner", rule.partner_id
    if rule.group is not None:
        return "group", rule.group
    return ("offer", rule.offer_id) if rule.offer_id is not None else ("network", 0)


def _buckets(partner: Partner, offer: Offer) -> list[tuple[str, object]]:
    return [
        ("partner", partner.id),
        ("group", partner.group),
        ("offer", offer.id),
        ("network", 0),
    ]
