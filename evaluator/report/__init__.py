"""The report: JSON, Markdown and one self-contained page."""
