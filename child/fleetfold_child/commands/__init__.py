"""Actions and how their commands run: admission to a handler, time limits, retries, outcomes."""
