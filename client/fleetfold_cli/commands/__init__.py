"""The commands, one file an area."""
