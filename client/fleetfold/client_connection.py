"""A client's connection to the masters, and the nouns that are reached through it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from fleetfold.caller import Caller, RateLimit
from fleetfold.connecting import Connecting, connect_bus
from fleetfold.resources.access import Access
from fleetfold.resources.audit import Audit
from fleetfold.resources.cache import Cache
from fleetfold.resources.dead_letters import DeadLetters
from fleetfold.resources.definitions import Definitions
from fleetfold.resources.evaluation import Evaluation
from fleetfold.resources.events import Events
from fleetfold.resources.jobs import Jobs
from fleetfold.resources.keys import Keys
from fleetfold.resources.masters import Masters
from fleetfold.resources.nodes import Nodes
from fleetfold.resources.schedules import Schedules
from fleetfold.resources.transactions import Transactions
from fleetfold_broker.bus import Bus

__all__ = ["ClientConnection"]


class ClientConnection:
    """One identity's connection, by `connect`, until `close`."""

    def __init__(self, bus: Bus) -> None:
        self._caller = caller = Caller(bus)
        self.nodes = Nodes(caller)
        self.jobs = Jobs(caller)
        self.transactions = Transactions(caller)
        self.schedules = Schedules(caller)
        self.dead_letters = DeadLetters(caller)
        self.definitions = Definitions(caller)
        self.cache = Cache(caller)
        self.evaluation = Evaluation(caller)
        self.keys = Keys(caller)
        self.access = Access(caller)
        self.masters = Masters(caller)
        self.audit = Audit(caller)
        self.events = Events(caller)

    @classmethod
    def connect(
        cls,
        url: str | None = None,
        *,
        name: str | None = None,
        key: str | Path | None = None,
        ca: str | Path | None = None,
        prefix: str = "fleet",
    ) -> Connecting[Self]:
        """Connect, by `async with Client.connect() as fleet` or `fleet = await Client.connect()`.

        Without `url`: `$FLEETFOLD_URL`, else the fleet that `fleetfold up` started on this machine. `key` is an API
        key, or the file that holds one; without it that of `$FLEETFOLD_API_KEY` or `$FLEETFOLD_API_KEY_FILE`, else
        this machine's own, if the fleet runs here. The key names the caller; `name` is only for a fleet without
        identities. `ca` is the file of the CA to trust. Raises `Unauthenticated` when the fleet rejects the key, or
        requires one.
        """

        async def connected() -> Self:
            return cls(await connect_bus(url, name=name, key=key, ca=ca, prefix=prefix))

        return Connecting(connected)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Disconnect from the broker."""
        await self._caller.bus.close()

    @property
    def name(self) -> str:
        """This identity's name."""
        return self._caller.bus.caller

    @property
    def rate_limit(self) -> RateLimit | None:
        """The rate limit of the last answer; None for an identity without a limit, and before the first answer."""
        return self._caller.rate_limit
