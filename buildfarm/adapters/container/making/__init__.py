"""How images are made on this machine, from Debian's archive and an index of Python packages alone."""
