"""The table of exit codes, by which a script tells how a job or a transaction ended."""

from __future__ import annotations

from collections.abc import Mapping

from fleetfold_cli.error_exit import FAILED, INTERRUPTED, OK, PARTLY, USAGE
from fleetfold_shared.messages import Job, Outcome, TransactionState

__all__ = ["CODES", "of_job", "of_transaction"]

REJECTED, UNREACHABLE, TIMED_OUT, UNKNOWN, CANCELLED, ROLLED_BACK, PARKED, NO_RESULT = range(4, 12)

CODES: Mapping[int, str] = {
    OK: "it went well, or has begun with `--detach`",
    FAILED: "it failed; also a job that failed everywhere, in more than one way",
    USAGE: "the command line or the input is wrong",
    PARTLY: "it went well in part: a search without all nodes, a job that failed on some, a restore without all work",
    REJECTED: "a job that no node took: rejected",
    UNREACHABLE: "a job of which no node was there: unreachable; it runs when they are back",
    TIMED_OUT: "a job that no node answered in time: timed_out",
    UNKNOWN: "a job of which nobody can tell whether it took effect: unknown",
    CANCELLED: "a job that was cancelled",
    ROLLED_BACK: "a transaction that is rolled back",
    PARKED: "a transaction that is parked: an operator is needed",
    NO_RESULT: "a job whose action ran, and whose result could not be carried: no_result",
    INTERRUPTED: "interrupted; a job or a transaction goes on",
}
_OUTCOMES: Mapping[Outcome | None, int] = {
    "rejected": REJECTED, "unreachable": UNREACHABLE, "timed_out": TIMED_OUT, "unknown": UNKNOWN,
    "no_result": NO_RESULT,
}  # fmt: skip
_TRANSACTIONS: Mapping[TransactionState, int] = {"rolled_back": ROLLED_BACK, "parked": PARKED}


def of_job(job: Job) -> int:
    """The exit code of a job; 0 if it is running or was only checked."""
    if job.state == "partly":
        return PARTLY
    if job.state == "cancelled":
        return CANCELLED
    if job.state != "failed":
        return OK
    outcomes = {node.outcome for node in job.nodes}
    return _OUTCOMES.get(outcomes.pop(), FAILED) if len(outcomes) == 1 else FAILED


def of_transaction(state: TransactionState) -> int:
    """The exit code of a transaction; 0 if it is running or was only checked."""
    return _TRANSACTIONS.get(state, OK)
