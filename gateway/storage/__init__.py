"""Fetches: the only code that waits for a disk or a network."""
