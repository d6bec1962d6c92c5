"""What people see: messages as tables and lines."""
