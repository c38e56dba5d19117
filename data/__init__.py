"""Entity specs, embedded models and the paper's tables."""
