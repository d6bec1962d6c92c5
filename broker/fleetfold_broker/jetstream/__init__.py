"""JetStream: the fleet's streams and consumers, push and pull consumers, confirmed publishing."""
