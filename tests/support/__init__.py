"""What the tests stand on: the purity guard, the engines, stacks in temporary homes."""
