"""The rules of fraud control by name and version: the one list.

A rule is `exact` when it compares facts of the log, and only an exact one can deny money (law F1).
Whoever changes what a rule finds raises its version and `RULES_VERSION` with it, so that a verdict
always says under which rules it was reached (law F2).
"""

from __future__ import annotations

from msgspec import Struct

RULES_VERSION = 1


class Rule(Struct, frozen=True):
    """A rule: `name` is also its reason code."""

    name: str
    version: int
    exact: bool


BOT_USER_AGENT = Rule("bot_user_agent", 1, exact=True)
REPEATED_CLICK = Rule("repeated_click", 1, exact=True)

SHORT_CLICK_TO_CONVERSION = Rule("short_click_to_conversion", 1, exact=True)
FLAGGED_CLICK = Rule("flagged_click", 1, exact=True)
CLICK_UNSCREENED = Rule("click_unscreened", 1, exact=False)
OFFER_UNKNOWN = Rule("offer_unknown", 1, exact=False)

CLICK_RULES = {rule.name: rule for rule in (BOT_USER_AGENT, REPEATED_CLICK)}
"""Rules of the screen, in the order in which a click's one counted reason is chosen."""

CONVERSION_RULES = {
    rule.name: rule
    for rule in (SHORT_CLICK_TO_CONVERSION, FLAGGED_CLICK, CLICK_UNSCREENED, OFFER_UNKNOWN)
}
"""Rules of the assessment."""
