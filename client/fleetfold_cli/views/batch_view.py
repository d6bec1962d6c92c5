"""The view of a batch: each outcome on stdout as it ends, progress on stderr."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fleetfold_cli.command_context import Terminal
from fleetfold_cli.error_exit import FAILED, OK, PARTLY
from fleetfold_cli.json_output import line
from fleetfold_cli.parsing.common_options import OutputOptions
from fleetfold_cli.safe_text import flat
from fleetfold_shared.errors import ErrorBody, InvalidInput
from fleetfold_shared.messages import JobNode

if TYPE_CHECKING:
    from fleetfold.batch_submission import SubmitOutcome

__all__ = ["BatchOutput"]

EVERY_S = 0.2
WOULD_RUN = "would run"
GOOD = frozenset({"ok", "running", WOULD_RUN})
REFUSED = "refused"


class BatchOutput:
    """Counts and prints outcomes. With `as_json` each is a JSON document on a line of its own; else only failures
    are printed. `quiet` omits successes, and the sum unless one failed."""

    def __init__(
        self, output: OutputOptions, terminal: Terminal, batch_id: str, total: int | None, *, quiet: bool = False
    ) -> None:
        self._as_json, self._terminal, self._quiet = output.json, terminal, quiet
        self._batch_id, self._total = batch_id, total
        self._outcomes = Counter[str]()
        self._began_at = self._shown_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._clear()
        if error is not None:
            self._say(f"broke off: {self._sum()}; what was begun goes on. {self._resume()}")
        elif self.failed or not self._quiet:
            self._say(self._sum())
            if self._outcomes[REFUSED] and not self._quiet:
                self._say(f"lines that were refused can be mended. {self._resume()}")

    @property
    def failed(self) -> int:
        """The number of failed lines."""
        return sum(number for outcome, number in self._outcomes.items() if outcome not in GOOD)

    def code(self) -> int:
        """The exit code."""
        if not self.failed:
            return OK
        return FAILED if self.failed == self._outcomes.total() else PARTLY

    def malformed(self, number: int, error: InvalidInput) -> None:
        """Record that the line `number` could not be parsed."""
        self._tell(number, None, REFUSED, error.body(), [])

    def outcome(self, number: int, outcome: SubmitOutcome) -> None:
        """Record the outcome of the line `number`."""
        state = WOULD_RUN if outcome.state == "checked" else outcome.state
        self._tell(number, outcome.id, state or REFUSED, outcome.error, outcome.nodes)

    def _tell(self, number: int, key: str | None, outcome: str, error: ErrorBody | None, nodes: list[JobNode]) -> None:
        self._outcomes[outcome] += 1
        good = outcome in GOOD
        why = None if good else _why(error, nodes)
        if self._as_json and not (good and self._quiet):
            code = error.code if error else None
            said = {"line": number, "id": key, "outcome": outcome, "error": why, "code": code, "nodes": nodes}
            print(line(said), file=self._terminal.out)
        elif not good:
            self._clear()
            print(f"line {number}: {outcome}: {flat(why or '')}", file=self._terminal.out)
        self._show_progress()

    def _show_progress(self) -> None:
        now = time.monotonic()
        if now - self._shown_at >= EVERY_S and self._terminal.err.isatty():
            self._shown_at = now
            self._terminal.out.flush()
            print(f"\r\x1b[K{self._sum()}", end="", file=self._terminal.err, flush=True)

    def _clear(self) -> None:
        if self._terminal.err.isatty():
            print("\r\x1b[K", end="", file=self._terminal.err, flush=True)

    def _say(self, text: str) -> None:
        self._terminal.out.flush()
        print(text, file=self._terminal.err, flush=True)

    def _sum(self) -> str:
        done, seconds = self._outcomes.total(), time.monotonic() - self._began_at
        of = "" if self._total is None or self._total == done else f" of {self._total:,}"
        counted = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(self._outcomes.items())) or "none"
        return f"{done:,}{of} lines in {seconds:.1f} s: {counted}"

    def _resume(self) -> str:
        return f"Run it again with `--batch-id {self._batch_id}`: what was done is not done again."


def _why(error: ErrorBody | None, nodes: list[JobNode]) -> str:
    """The error, or that of the first node that has one."""
    if error is not None:
        return " ".join(error.message.split())
    bad = [node for node in nodes if node.outcome != "ok"]
    if not bad:
        return ""
    said = f"{bad[0].node}: {' '.join((bad[0].error or str(bad[0].outcome)).split())}"
    return said if len(bad) == 1 else f"{said}; and {len(bad) - 1} more"
