"""Experiments beyond the report: what a method's choices do, what it costs, what it orders, what it leaks."""
