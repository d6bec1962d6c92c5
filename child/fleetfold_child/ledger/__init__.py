"""Ledger of a node: the commands it received and started, and their results."""
