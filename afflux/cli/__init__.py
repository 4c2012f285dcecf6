"""The `afflux` command."""
