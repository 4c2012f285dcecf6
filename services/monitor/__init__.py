"""The monitor service; see README.md in this folder."""
