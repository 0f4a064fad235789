"""Rules over the bytes of a wheel. Pure."""
