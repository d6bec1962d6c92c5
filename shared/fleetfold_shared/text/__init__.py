"""Text analysis, embedding, term statistics, scoring and highlighting."""
