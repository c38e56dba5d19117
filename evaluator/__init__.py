"""Scores methods of conditional similarity on labelled pictures."""
