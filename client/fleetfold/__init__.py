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
    from fleetfold.child_options import ChildOptions
    from fleetfold.client import Client
    from fleetfold.dead_letter_filter import DeadLetterFilter
    from fleetfold.name_lists import Auto
    from fleetfold.resources.jobs import JobHandle
    from fleetfold.resources.transactions import TransactionHandle
    from fleetfold.run_request import Rollout, RunOptions, Targets
    from fleetfold.search_request import SearchOptions
    from fleetfold.transaction_builder import Transaction, step
    from fleetfold_child.commands.actions import action
    from fleetfold_child.commands.context import Context, Refused
    from fleetfold_shared import __version__
    from fleetfold_shared.config import Reading
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
    "Auto",
    "Callback",
    "Child",
    "ChildOptions",
    "Client",
    "Context",
    "DeadLetterFilter",
    "Definition",
    "Filter",
    "JobHandle",
    "Judgement",
    "NodeUpdate",
    "Passage",
    "Reading",
    "Refused",
    "RetryPolicy",
    "Rollback",
    "Rollout",
    "Run",
    "RunOptions",
    "ScheduleSpec",
    "SearchOptions",
    "Sort",
    "StepSpec",
    "Targets",
    "Transaction",
    "TransactionHandle",
    "__version__",
    "action",
    "step",
]

_ELSEWHERE = {
    "Child": "fleetfold.child",
    "Auto": "fleetfold.name_lists",
    "ChildOptions": "fleetfold.child_options",
    "Client": "fleetfold.client",
    "Context": "fleetfold_child.commands.context",
    "DeadLetterFilter": "fleetfold.dead_letter_filter",
    "JobHandle": "fleetfold.resources.jobs",
    "Reading": "fleetfold_shared.config",
    "Refused": "fleetfold_child.commands.context",
    "Rollout": "fleetfold.run_request",
    "RunOptions": "fleetfold.run_request",
    "SearchOptions": "fleetfold.search_request",
    "Targets": "fleetfold.run_request",
    "Transaction": "fleetfold.transaction_builder",
    "TransactionHandle": "fleetfold.resources.transactions",
    "__version__": "fleetfold_shared",
    "action": "fleetfold_child.commands.actions",
    "step": "fleetfold.transaction_builder",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'fleetfold' has no attribute {name!r}")
    from fleetfold.early_exit import ExitQuietly

    with ExitQuietly():
        import importlib

        if name == "Child":
            importlib.import_module("fleetfold_child.node.process_environment").prepare_process()
        return getattr(importlib.import_module(_ELSEWHERE.get(name, "fleetfold_shared.messages")), name)
