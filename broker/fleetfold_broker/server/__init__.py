"""The embedded nats-server: its process, its locks, its certificates."""
