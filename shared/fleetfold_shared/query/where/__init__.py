"""Expressions that select nodes: `role=shop and region!=eu and has(actions)`. Parsing, printing and matching, without
I/O.
"""

from __future__ import annotations

from fleetfold_shared.query.where.matching import choose, missing_labels
from fleetfold_shared.query.where.parsing import parse
from fleetfold_shared.query.where.terms import And, Comparison, Has, Label, Not, Or, Term, text_of

__all__ = ["And", "Comparison", "Has", "Label", "Not", "Or", "Term", "choose", "missing_labels", "parse", "text_of"]
