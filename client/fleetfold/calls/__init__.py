"""The calls of a `Client`, by area."""
