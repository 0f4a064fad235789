"""``buildfarm doctor``: what this machine can build, what is missing, and the command that brings it."""
