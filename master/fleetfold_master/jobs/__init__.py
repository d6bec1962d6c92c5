"""The jobs engine: runs actions on nodes, checks their parameters, sends commands, and follows each job to its end."""

from __future__ import annotations

from fleetfold_master.jobs.bulk_reads import BulkReads
from fleetfold_master.jobs.command_cancellation import Cancellations
from fleetfold_master.jobs.command_dispatch import CommandSender, NodeHealth, Outgoing
from fleetfold_master.jobs.job_engine_options import JobOptions
from fleetfold_master.jobs.jobs import Jobs
from fleetfold_master.jobs.parameter_check import check_params

__all__ = [
    "BulkReads",
    "Cancellations",
    "CommandSender",
    "JobOptions",
    "Jobs",
    "NodeHealth",
    "Outgoing",
    "check_params",
]
