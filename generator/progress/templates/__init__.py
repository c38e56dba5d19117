"""The page of a preview."""
