"""Where documents come from: sources, their fields and types, markup."""
