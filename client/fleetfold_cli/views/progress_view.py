"""The view of a job's progress: live, or as lines."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.text import Text

from fleetfold_cli.views.text import cell, grid, ms, one_line
from fleetfold_shared.messages import Job, JobNode, Progress

__all__ = ["PrintedProgress", "far", "live"]

MOST_ROWS = 10
NOTE_CHARS = 60
BAR_CHARS = 24
LINE_EVERY_S = 5.0


def far(progress: Progress | None) -> str:
    """`3 of 10: note`, in the action's own unit."""
    if progress is None:
        return ""
    total = "" if progress.total is None else f" of {progress.total:g}"
    tried = f", try {progress.attempt}" if progress.attempt > 1 else ""
    note = f": {one_line(progress.note, NOTE_CHARS)}" if progress.note else ""
    return f"{progress.done:g}{total}{tried}{note}"


def live(job: Job) -> RenderableType:
    """The total, and the running nodes, most advanced first."""
    ended = sum(node.outcome is not None for node in job.nodes)
    failed = sum(node.outcome not in {None, "ok"} for node in job.nodes)
    rows = grid()
    rows.add_column()
    said = f"{ended} of {len(job.nodes)} nodes{f', {failed} not ok' if failed else ''}"
    rows.add_row(cell(job.action), _bar(ended, len(job.nodes)), cell(said))
    running = sorted((node for node in job.nodes if _shows(node)), key=_share, reverse=True)
    for node in running[:MOST_ROWS]:
        progress = node.progress
        bar = _bar(progress.done, progress.total) if progress else Text("running", style="dim")
        rows.add_row(cell(f"  {node.node}"), bar, cell(far(progress)))
    more = [Text(f"  and {len(running) - MOST_ROWS} more", style="dim")] if len(running) > MOST_ROWS else []
    waiting = [Text(f"  {job.note}", style="yellow")] if job.note else []
    return Group(rows, *more, *waiting)


class PrintedProgress:
    """What was already printed of a job."""

    def __init__(self) -> None:
        self._ended: set[str] = set()
        self._progress: dict[str, tuple[Progress, float]] = {}

    def news(self, job: Job, now: float) -> Iterator[str]:
        """A line for each node that has ended or progressed since; `now` is monotonic."""
        for node in job.nodes:
            if node.outcome is not None and node.node not in self._ended:
                self._ended.add(node.node)
                why = f": {one_line(node.error, 200)}" if node.error else ""
                yield f"{node.node}: {node.outcome}, {ms(node.ms)}{why}"
            elif node.outcome is None and node.progress is not None and self._is_news(node.node, node.progress, now):
                self._progress[node.node] = (node.progress, now)
                yield f"{node.node}: {far(node.progress)}"

    def _is_news(self, node: str, progress: Progress, now: float) -> bool:
        before = self._progress.get(node)
        return before is None or (before[0] != progress and now - before[1] >= LINE_EVERY_S)


def _shows(node: JobNode) -> bool:
    return node.outcome is None and (node.began or node.progress is not None)


def _share(node: JobNode) -> float:
    progress = node.progress
    return progress.done / progress.total if progress and progress.total else 0.0


def _bar(done: float, total: float | None) -> RenderableType:
    return ProgressBar(total=total or None, completed=done, width=BAR_CHARS, pulse=not total)
