"""The node's pipelines, each one list read from the top: what every request and every command passes, and in which
order. A new concern is one file beside this one, and one entry here.
"""

from __future__ import annotations

from collections.abc import Awaitable

from fleetfold_broker.identity.seal_check import SealCheck
from fleetfold_broker.jetstream.command_decoding import COMMAND, decode_command
from fleetfold_broker.jetstream.delivery_acks import DeliveryAcks, age_s
from fleetfold_broker.rpc.interceptors import bind_log_context, drop_late_reply, skip_empty
from fleetfold_broker.rpc.pipeline import Call, Handler, Interceptor, compose
from fleetfold_child.commands.executor import Executor
from fleetfold_child.commands.result_publisher import ResultPublisher
from fleetfold_child.interceptors.ledger_requirement import RequireLedger
from fleetfold_child.interceptors.request_decoding import decode_request
from fleetfold_child.interceptors.result_publication import PublishResult
from fleetfold_shared.messages import Message

__all__ = ["command_pipeline", "request_interceptors"]


def request_interceptors(seals: SealCheck) -> list[Interceptor]:
    """Return the interceptors of searches, calls and broadcasts.

    Before them the request server drops what is past its deadline and limits how many run at once, and it counts every
    request by its end. A node keeps no audit of requests: of a cancellation, the ledger has who wanted it.
    """
    return [
        bind_log_context,
        skip_empty,
        drop_late_reply,
        seals,
        decode_request,
    ]


def command_pipeline(
    seals: SealCheck, acks: DeliveryAcks, results: ResultPublisher, ledger: RequireLedger, executor: Executor
) -> Handler:
    """Return the pipeline of commands, from their delivery to their run.

    Two things are no interceptors, because they must be exact for each try and not for each delivery. The ledger admits
    a try in one commit, which is the node's audit too, before anything of it runs: the executor asks it with the
    command's place among those that run already taken. That place is the limit of what runs at once; how many are
    delivered at once is the consumer's limit.
    """

    def run(call: Call) -> Awaitable[Message | None]:
        return executor.handle(call.get(COMMAND), age_s=age_s(call))

    interceptors = (
        bind_log_context,
        acks.terminate_unreadable,  # around seal and decoding alone: what a command raises later is no fault of it
        seals,
        decode_command,
        acks.hold,
        PublishResult(results),  # before the ack: a result that is not stored must be made again
        ledger,
    )
    return compose(interceptors, run)
