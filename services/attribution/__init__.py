"""The attribution service; see README.md in this folder."""
