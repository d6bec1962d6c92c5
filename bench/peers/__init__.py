"""Others who do work elsewhere, to compare with: dramatiq and Celery, over Redis."""
