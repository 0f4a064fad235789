"""The commands of each step, as values. Pure."""
