"""Durable writes to SQLite and PostgreSQL: group commit, its writer thread, vacuum."""
