"""The node's daemon: its place on the bus, heartbeats, health, and the verbs it answers."""
