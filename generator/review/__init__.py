"""Review by hand: contact sheets to look at, decisions in a file, and their way back into the shards."""
