"""Pure decisions of the notify service."""
