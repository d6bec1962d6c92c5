"""Access control: credentials, sessions, roles and rate limits."""
