"""The fraud service; see README.md in this folder."""
