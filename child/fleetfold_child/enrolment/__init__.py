"""Enrolment of a node: it obtains, stores and renews its credentials."""
