"""Daemons as contexts: a broker, a master, a child, with their keys and TLS."""
