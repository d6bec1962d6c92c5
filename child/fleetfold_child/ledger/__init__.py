"""The node's ledger: what it was told to do, what it began and how that ended."""
