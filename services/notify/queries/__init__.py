"""SQL of the notify service."""
