"""The cache of answers around the stages of a search."""
