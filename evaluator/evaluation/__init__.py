"""The evaluation: prepare, score, gather the evidence."""
