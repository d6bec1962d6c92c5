"""Webhooks: allowed destinations, signatures, and sending."""
