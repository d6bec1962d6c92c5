"""fleetfold: search and act across several applications as if they were one.

    from fleetfold import Child, Client, Context, Refused, action

What is named here is imported when it is first used: a program that only calls the fleet stays light, and the command
can take Ctrl-C from its first moment on. A `Child` with collections needs the extra `fleetfold[child]`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # not imported: `typing` takes longer than all the rest of this file
if TYPE_CHECKING:
    from typing import Any

    from fleetfold.child import Child
    from fleetfold.client import Client
    from fleetfold.transaction_builder import Transaction, step
    from fleetfold_child.commands.actions import action
    from fleetfold_child.commands.context import Context, Refused
    from fleetfold_shared import __version__
    from fleetfold_shared.messages import (
        Callback,
        Definition,
        Filter,
        Judgement,
        NodeUpdate,
        Passage,
        RetryPolicy,
        Rollback,
        Run,
        ScheduleSpec,
        Sort,
        StepSpec,
    )  # fmt: skip

__all__ = [
    "Callback",
    "Child",
    "Client",
    "Context",
    "Definition",
    "Filter",
    "Judgement",
    "NodeUpdate",
    "Passage",
    "Refused",
    "RetryPolicy",
    "Rollback",
    "Run",
    "ScheduleSpec",
    "Sort",
    "StepSpec",
    "Transaction",
    "__version__",
    "action",
    "step",
]

_ELSEWHERE = {
    "Child": "fleetfold.child",
    "Client": "fleetfold.client",
    "Context": "fleetfold_child.commands.context",
    "Refused": "fleetfold_child.commands.context",
    "Transaction": "fleetfold.transaction_builder",
    "__version__": "fleetfold_shared",
    "action": "fleetfold_child.commands.actions",
    "step": "fleetfold.transaction_builder",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'fleetfold' has no attribute {name!r}")
    from fleetfold.interrupts import ExitQuietly

    with ExitQuietly():
        import importlib

        if name == "Child":
            importlib.import_module("fleetfold_child.node.environment").prepare_process()
        return getattr(importlib.import_module(_ELSEWHERE.get(name, "fleetfold_shared.messages")), name)
