"""The embedded judge of the alignment filter: an open_clip model folder."""
