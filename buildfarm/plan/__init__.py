"""From a request and facts to jobs, in order, with the reason for everything left out. Pure."""
