"""Pure decisions of the tracking edge."""
