"""Supervised connection to the broker: credentials, TLS, and subscriptions restored on each new connection."""
