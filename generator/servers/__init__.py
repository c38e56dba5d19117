"""Talking to servers that may be slow, broken or hostile."""
