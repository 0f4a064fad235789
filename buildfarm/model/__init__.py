"""Frozen values and errors: the words of the project, with no effect and no import from above."""
