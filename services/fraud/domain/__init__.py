"""What fraud control decides, as pure functions."""
