"""Conditional similarity under one's fingers: a page on this machine that asks an index while sliders move."""
