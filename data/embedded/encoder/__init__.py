"""The embedded demonstration encoder: an open_clip model folder."""
