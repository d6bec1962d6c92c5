"""The dead-letter queue: commands that will not run any more, kept for operators."""

from __future__ import annotations

from fleetfold_master.dead_letters.dead_letter_policy import (
    StepCommand,
    dead_letter_of_delivery,
    dead_letter_of_step,
    dead_letters_for,
)
from fleetfold_master.dead_letters.dead_letters import DeadLetters

__all__ = ["DeadLetters", "StepCommand", "dead_letter_of_delivery", "dead_letter_of_step", "dead_letters_for"]
