"""An action that does nothing, so that what is measured is everything around it."""

from __future__ import annotations

from fleetfold import Context, action

__all__ = ["noop"]


@action
async def noop(ctx: Context, number: int = 0) -> int:  # noqa: ARG001 (every action gets its context)
    """Return the number."""
    return number
