"""Views of jobs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from fleetfold_cli.views.progress_view import far
from fleetfold_cli.views.text import ago, cell, ms, nothing, result, state, table
from fleetfold_shared.messages import Job, JobNode

__all__ = ["detail", "listing"]


NONE_YET = "no jobs yet: start one with `fleetfold run TARGET ACTION`"


def listing(jobs: Sequence[Job], **filters: object) -> RenderableType:
    """One line a job; `filters` are what was asked for."""
    if not jobs:
        return nothing("jobs", NONE_YET, filters)
    made = table("job", "action", "state", "nodes", "started", "caller")
    for job in jobs:
        nodes = ", ".join(node.node for node in job.nodes)
        made.add_row(
            cell(job.id), cell(job.action), state(job.state), cell(nodes), ago(job.created_at), cell(job.caller)
        )
    return made


def detail(job: Job) -> RenderableType:
    """The outcome and the result of every node."""
    made = table("node", "outcome", "time", "result", right=frozenset({"time"}))
    for node in job.nodes:
        made.add_row(
            cell(node.node),
            state(node.outcome or ("checked" if node.would_run else "running")),
            ms(node.ms),
            _said(node),
        )
    head = Text.assemble(cell(job.action, "bold"), ": ", state(job.state), cell(f"  job {job.id}", "dim"))
    by = [cell(f"cancelled by {job.cancelled_by}", "yellow")] if job.cancelled_by else []
    note = [cell(job.note, "yellow")] if job.note else []
    return Group(made, head, *by, *note)


def _said(node: JobNode) -> Text:
    if node.outcome is None:
        return cell(far(node.progress), "dim")
    return cell(node.error, "red") if node.error else cell(result(node.result))
