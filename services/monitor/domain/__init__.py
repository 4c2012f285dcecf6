"""What the monitor counts and warns of, as pure functions and plain values."""
