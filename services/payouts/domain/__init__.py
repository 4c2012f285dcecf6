"""Pure decisions of the ledger: no I/O, no clock, no randomness."""
