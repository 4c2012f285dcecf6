"""The one error for expected failures of a command: a sentence for people, no stack trace."""

from __future__ import annotations


class Refused(Exception):
    """Something cannot be done, for a reason a person can act on.

    The command line prints the message to stderr and leaves with code 1.
    """
