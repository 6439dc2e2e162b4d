"""Decides: what is asked for, where it lies and what the answer consists of. No I/O."""
