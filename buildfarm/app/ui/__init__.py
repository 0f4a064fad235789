"""Pages for people: what an index has, what was tested where, what changed."""
