"""Does a picture show what its labels say? Judges, and what their verdicts are."""
