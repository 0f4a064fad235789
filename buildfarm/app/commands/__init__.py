"""The commands, a module for each group of them. Imports of the rest stand in the commands: ``--help`` is quick."""
