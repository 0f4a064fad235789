"""What `buildfarm client-config` prints: a module for each client, from one wish."""
