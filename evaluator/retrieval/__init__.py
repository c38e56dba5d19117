"""Tasks, splits, spaces, and the engine that scores methods on them."""
