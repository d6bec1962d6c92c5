"""Durable SQLite and PostgreSQL writes: group commit, its writer thread, vacuum."""
