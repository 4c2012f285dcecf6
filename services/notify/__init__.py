"""Postbacks to partners: what happened to their conversions, told at least once, in order."""
