"""Index events to pages. Pure."""
