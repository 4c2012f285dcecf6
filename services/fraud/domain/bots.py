"""Known bots by their user agent (list: the crawler-user-agents package)."""

from __future__ import annotations

import re
from functools import lru_cache

from crawleruseragents import CRAWLER_USER_AGENTS_DATA, is_crawler

MAX_LENGTH = 1_024
_CACHED = 16_384


def bot_pattern(user_agent: str) -> str | None:
    """Return the list's pattern that `user_agent` matches, or None.

    Only its first 1,024 characters are looked at. An empty user agent is nobody's: it proves no
    bot (history imported from elsewhere often has none), so it does not match.
    """
    return _match(user_agent[:MAX_LENGTH]) if user_agent else None


# The list costs 0.1-1 ms a string, and few user agents make up most clicks.
@lru_cache(maxsize=_CACHED)
def _match(user_agent: str) -> str | None:
    if not is_crawler(user_agent):
        return None
    patterns = (str(known["pattern"]) for known in CRAWLER_USER_AGENTS_DATA)
    return next((pattern for pattern in patterns if re.search(pattern, user_agent)), None)
