"""Entity specs."""
