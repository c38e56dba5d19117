"""From entity specs to sample specs."""
