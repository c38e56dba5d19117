"""The page: HTML, styles and scripts, joined into one document when the server starts."""
