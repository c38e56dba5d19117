"""What a run has done so far, what it costs, and which values go wrong: counted from its files, by readers only."""
