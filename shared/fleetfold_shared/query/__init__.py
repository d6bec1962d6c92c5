"""Conditions on nodes and documents: expressions, filters, facets, sorting."""
