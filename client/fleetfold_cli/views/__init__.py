"""Views: messages as tables and lines for people."""
