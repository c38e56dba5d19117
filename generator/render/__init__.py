"""Renderers: a sample spec in, a picture out."""
