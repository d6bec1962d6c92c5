"""Who is let in, by what credentials, and what each may do."""
