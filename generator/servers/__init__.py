"""Talking to servers that may be slow, broken or hostile."""

MAX_SECONDS = 1e7
"""The longest timeout: four months. No clock of the system counts to infinity."""
