"""Benchmarks. Not tests: each compares with a bare floor in the same run, and says what it measured as JSON."""
