"""Demonstration models trained on the procedural drawings."""
