"""fleetfold: search and act across several applications as if they were one.

    from fleetfold import Child, Client, Context, Refused, action

What is named here is imported when it is first used, so that a program that only calls the fleet stays light.
`Child` and what belongs to it needs the extra `fleetfold[child]`.
"""

from __future__ import annotations

import importlib
import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

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

if TYPE_CHECKING:
    from fleetfold.building import Transaction, step
    from fleetfold.child import Child
    from fleetfold.client import Client
    from fleetfold_child.actions import action
    from fleetfold_child.context import Context, Refused

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

_LAZY = {
    "Child": "fleetfold.child",
    "Client": "fleetfold.client",
    "Context": "fleetfold_child.context",
    "Refused": "fleetfold_child.context",
    "Transaction": "fleetfold.building",
    "action": "fleetfold_child.actions",
    "step": "fleetfold.building",
}


if not structlog.is_configured():  # a library says nothing on stdout; an application configures it as it likes
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'fleetfold' has no attribute {name!r}")
    if name == "Child":
        importlib.import_module("fleetfold_child.environment").prepare_process()
    try:
        return getattr(importlib.import_module(_LAZY[name]), name)
    except ModuleNotFoundError as error:
        raise ImportError(f"{name} needs {error.name}: `pip install 'fleetfold[child]'`") from error
