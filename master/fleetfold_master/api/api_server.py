"""The API server: passes requests through the pipeline to their verbs' handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping

from fleetfold_broker.connection.subscription import Callback
from fleetfold_broker.rpc.admission import AdmissionControl
from fleetfold_broker.rpc.pipeline import MESSAGE, Call, Handler, Interceptor, compose
from fleetfold_broker.rpc.request_server import RequestServer
from fleetfold_broker.subjects import Subjects
from fleetfold_master.access.enrolment import JOINING
from fleetfold_master.api.binding import Bindings
from fleetfold_master.api.interceptors import PRINCIPAL
from fleetfold_shared import verbs
from fleetfold_shared.messages import Message

__all__ = ["ApiServer"]


class ApiServer:
    """The API of one master. `handle` answers a call of any transport."""

    def __init__(self, subjects: Subjects, bindings: Bindings, interceptors: Iterable[Interceptor]) -> None:
        self._subjects, self._bindings = subjects, bindings
        self.handle: Handler = compose(interceptors, self._call_handler)

    async def start(self, service: RequestServer) -> Mapping[str, Callback]:
        """Serve every verb on `fleet.api.<caller>.<verb>`, in the queue group of all masters. Returns what receives
        the requests of each verb.

        Joins have admission control of their own: a fleet that starts must not wait for its clients.
        """
        subjects, receivers = self._subjects, dict[str, Callback]()
        for name, binding in self._bindings.items():
            places = AdmissionControl(JOINING) if binding.verb is verbs.nodes.JOIN else None
            receivers[name] = await service.serve(
                name, subjects.api("*", name), self.handle, queue="masters",
                caller=lambda subject: subjects.token(subject, 1), places=places,
            )  # fmt: skip
        return receivers

    def _call_handler(self, call: Call) -> Awaitable[Message]:
        return self._bindings[call.verb].answer(call.get(MESSAGE), call.get(PRINCIPAL), call.say)
