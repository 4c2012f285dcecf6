"""The tracking service; see README.md in this folder."""
