"""deploy: running chronav on a cluster."""
