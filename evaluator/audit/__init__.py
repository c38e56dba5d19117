"""Audit: pictures whose labels their neighbours and texts contradict, duplicates, and pictures that no value describes."""
