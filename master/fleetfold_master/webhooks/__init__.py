"""Webhooks: where they may go, their signature, and sending one."""
