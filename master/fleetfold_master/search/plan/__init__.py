"""Stage one of a search: what is asked of which nodes, as one value."""
