"""Dead letters: commands that nobody will do any more, kept for somebody to look at."""

from __future__ import annotations

from fleetfold_master.letters.burial import letters_for, letters_for_step, undelivered
from fleetfold_master.letters.letters import Letters

__all__ = ["Letters", "letters_for", "letters_for_step", "undelivered"]
