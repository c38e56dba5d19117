"""From pictures and texts to vectors, once."""
