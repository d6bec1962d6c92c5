"""The options of `fleetfold run`: on which nodes, in which order, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Group, Parameter

from fleetfold_cli.parsing.callback_arguments import callback
from fleetfold_cli.parsing.common_options import Flag, Option, Seconds
from fleetfold_shared.decode_errors import convert_to
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import RetryPolicy

__all__ = ["CHOICE", "PACE", "TIMES", "LimitOptions", "RolloutOptions", "TargetOptions"]


@Parameter(name="*", group=Group("Nodes", sort_key=1))
@dataclass(frozen=True, slots=True)
class TargetOptions:
    """The nodes to run on."""

    all: Annotated[bool, Flag(help="On all active nodes; then there is no TARGET.")] = False
    where: Annotated[
        str | None, Option(help="On those for which this holds, such as `role=shop and region!=eu`; without TARGET.")
    ] = None
    any: Annotated[bool, Flag(help="On one of them: the one with least to do.")] = False
    limit: Annotated[str | None, Option(help="On so many of them: `3`, or `10%`.")] = None
    seed: Annotated[int | None, Option(help="The seed of the choice: another number, another choice.")] = None
    yes: Annotated[bool, Flag(help="Do not ask before something destructive runs on several nodes.")] = False

    @property
    def needs_no_target(self) -> bool:
        """Whether the options say which nodes."""
        return self.all or self.where is not None

    def fields(self) -> dict[str, Any]:
        """The fields of a `Run`."""
        return {
            "all": self.all, "where": self.where, "any": self.any, "limit": self.limit, "seed": self.seed,
            "confirmed": self.yes,
        }  # fmt: skip


@Parameter(name="*", group=Group("Order", sort_key=2))
@dataclass(frozen=True, slots=True)
class RolloutOptions:
    """The order of the nodes."""

    sequential: Annotated[bool, Flag(help="One node after another.")] = False
    batch: Annotated[str | None, Option(help="On so many at a time: `5`, or `25%`.")] = None
    pause: Annotated[float, Seconds(help="How long to wait between the end of a batch and the next.")] = 0.0
    max_failures: Annotated[
        str | None, Option(help="Start no further batch when more than so many failed: `0`, or `10%`.")
    ] = None
    dry_run: Annotated[bool, Flag(help="Check everything, show the nodes in their order, and start nothing.")] = False

    def fields(self) -> dict[str, Any]:
        """The fields of a `Run`."""
        return {
            "sequential": self.sequential, "batch": self.batch, "pause_s": self.pause,
            "max_failures": self.max_failures, "dry_run": self.dry_run,
        }  # fmt: skip


@Parameter(name="*", group=Group("Times and tries", sort_key=3))
@dataclass(frozen=True, slots=True)
class LimitOptions:
    """Time limits, retries, and the callback."""

    timeout: Annotated[float, Seconds(help="How long one try may take on a node.")] = 60.0
    start_within: Annotated[float | None, Seconds(help="How long it may wait to begin; then it never will.")] = None
    heartbeat: Annotated[float | None, Seconds(help="The longest silence between two reports of progress.")] = None
    overall: Annotated[float | None, Seconds(help="How long all tries on a node may take; else as --timeout.")] = None
    attempts: Annotated[int | None, Option(help="How often it is tried on a node.")] = None
    backoff: Annotated[float | None, Seconds(help="The pause before the second try; it doubles.")] = None
    callback: Annotated[
        str | None, Option(help="Where the end is reported: a webhook's URL, or a type of event of your own.")
    ] = None

    def fields(self) -> dict[str, Any]:
        """The fields of a `Run`."""
        return {
            "timeout_s": self.timeout, "start_within_s": self.start_within, "heartbeat_s": self.heartbeat,
            "overall_s": self.overall, "retry": self._retry(), "callback": callback(self.callback),
        }  # fmt: skip

    def _retry(self) -> RetryPolicy | None:
        if self.attempts is None and self.backoff is None:
            return None
        if self.attempts is None:
            raise InvalidInput("backoff: there is no second try; say how many with --attempts", field="backoff")
        said = {"attempts": self.attempts, **({} if self.backoff is None else {"backoff_s": self.backoff})}
        return convert_to(said, RetryPolicy, "retry")


CHOICE, PACE, TIMES = TargetOptions(), RolloutOptions(), LimitOptions()
