"""A finished report in the formats of other tools: parquet, CSV, LaTeX, Markdown, TREC runs and qrels."""
