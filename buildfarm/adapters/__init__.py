"""What stands behind the ports; strangers to each other."""
