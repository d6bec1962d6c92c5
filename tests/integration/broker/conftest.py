"""A broker with identity, for the tests of this folder."""

from __future__ import annotations

from support.guarded import guarded

__all__ = ["guarded"]
