"""Parsing of user input: files, durations, assignments, options."""
