"""Recipe files to recipes: YAML with positions, one table, every diagnostic at once. Pure."""
