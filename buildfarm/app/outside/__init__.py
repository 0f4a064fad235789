"""`buildfarm index doctor`: an index server looked at from outside, as its clients see it."""
