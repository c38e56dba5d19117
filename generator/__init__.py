"""Plans, renders and shards labelled pictures."""
