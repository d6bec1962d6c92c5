"""Daemon of a node: registration, heartbeats, health checks, and request handlers."""
