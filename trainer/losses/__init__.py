"""The objective, one loss a file."""
