"""Texts: condition texts for the evaluator and instructions for planners."""
