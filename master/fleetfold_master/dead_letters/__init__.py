"""Dead letters: commands that nobody will do any more, kept for somebody to look at."""

from __future__ import annotations

from fleetfold_master.dead_letters.dead_letter_policy import letters_for, letters_for_step, undelivered
from fleetfold_master.dead_letters.dead_letters import DeadLetters

__all__ = ["DeadLetters", "letters_for", "letters_for_step", "undelivered"]
