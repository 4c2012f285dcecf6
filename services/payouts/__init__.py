"""The payouts service; see README.md in this folder."""
