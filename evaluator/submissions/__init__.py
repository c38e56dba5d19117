"""Results of a method for others to check: packed, scored again from the data, and ranked on a page."""
