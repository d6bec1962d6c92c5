"""Verbs about named transactions."""

from __future__ import annotations

from fleetfold_shared.messages import (
    DefinitionGet,
    DefinitionList,
    DefinitionListed,
    DefinitionPut,
    DefinitionRecord,
    DefinitionRemove,
    DefinitionRemoved,
    DefinitionStored,
)
from fleetfold_shared.verbs.verb import CLIENTS, OPERATORS, Verb, allow

__all__ = ["GET", "LIST", "PUT", "REMOVE"]

PUT = Verb(
    "definitions.put", DefinitionPut, DefinitionStored, "Keep a named transaction.",
    roles=allow(OPERATORS), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
GET = Verb(
    "definitions.get", DefinitionGet, DefinitionRecord, "Show a named transaction.",
    roles=allow(CLIENTS), scope="named", safe=True, idempotent=True,
)  # fmt: skip
LIST = Verb(
    "definitions.list", DefinitionList, DefinitionListed, "List the named transactions.",
    roles=allow(CLIENTS), scope="named", safe=True, idempotent=True,
)  # fmt: skip
REMOVE = Verb(
    "definitions.remove", DefinitionRemove, DefinitionRemoved, "Take a named transaction away.",
    roles=allow(OPERATORS), scope="named", audit="committed", idempotent=True,
)  # fmt: skip
