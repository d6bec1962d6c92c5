"""Stage two of a search: the shard requests are sent, and the nodes' shard responses gathered."""
