"""Labelled pictures, wherever they come from."""
