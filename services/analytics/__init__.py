"""The analytics service; see README.md in this folder."""
