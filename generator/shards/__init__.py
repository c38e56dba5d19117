"""A shard's work, parts of a run, and merging them."""
