"""Pure domain kernel: no I/O, no clock, no randomness."""
