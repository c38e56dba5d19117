"""Rankings made elsewhere: TREC runs and qrels."""
