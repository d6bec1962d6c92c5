"""What people type, as values: files, durations, assignments, options."""
