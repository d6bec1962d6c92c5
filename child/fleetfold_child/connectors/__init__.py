"""Connectors to sources of documents: files, field types, text fields and markup."""
