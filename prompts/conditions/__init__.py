"""Condition texts of the shipped entities."""
