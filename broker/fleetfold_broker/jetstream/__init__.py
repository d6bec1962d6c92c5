"""Streams and consumers: the topology, push and pull consumers, confirmed publishing."""
