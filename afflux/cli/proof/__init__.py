"""The conservation law: what every stage says of the same events, side by side."""
