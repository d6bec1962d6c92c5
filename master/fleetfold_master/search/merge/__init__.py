"""Stage three of a search: shard responses become one answer."""
