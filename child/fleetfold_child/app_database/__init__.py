"""Exactly-once effects in a database of the application's own."""
