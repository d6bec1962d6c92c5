"""The document that `backup export` writes: the nodes, definitions, schedules and keys of a master's database, as JSON.

It has no times that change by themselves, and its parts are sorted: two exports differ where the fleet does. Keys are
in it as the SHA-256 of their secrets: with the document nobody can log in, and after an import the keys work again.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from fleetfold_shared import __version__
from fleetfold_shared.decode_errors import invalid_input
from fleetfold_shared.errors import Conflict, InvalidInput
from fleetfold_shared.ids import Slug
from fleetfold_shared.messages import AssignedState, ClientRole, Definition, ScheduleSpec, Scopes
from fleetfold_shared.query.where.version_order import version_of

__all__ = [
    "ExportedDefinition", "ExportedKey", "ExportedNode", "ExportedSchedule", "RegistryFile", "decode_registry",
    "encode_registry",
]  # fmt: skip

FORMAT = 1

Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class ExportedNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A node as its operators know it: `labels` and `weight` are theirs, over its own. It describes itself anew when it
    joins, and needs an invitation for that."""

    name: Slug
    type: str = "app"
    title: str = ""
    labels: dict[str, str | None] | None = None
    weight: float | None = None
    state: AssignedState = "active"
    registered_at: float


class ExportedDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One version of a named transaction."""

    name: Slug
    version: Annotated[int, Meta(ge=1)]
    content: Definition
    created_at: float
    created_by: str


class ExportedSchedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A schedule, and as whom it runs. `anchor` is the origin of its intervals."""

    name: Annotated[str, Meta(min_length=1, max_length=32)]
    version: Annotated[int, Meta(ge=1)]
    caller: str
    spec: ScheduleSpec
    anchor: float
    created_at: float
    changed_at: float


class ExportedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An API key that is not revoked, without its secret."""

    id: Annotated[str, Meta(min_length=1, max_length=26)]
    name: Slug
    digest: Digest
    role: ClientRole
    scopes: Scopes = Scopes()
    created_at: float
    created_by: str
    expires_at: float | None = None


class RegistryFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of them, each sorted by its name."""

    format: int = FORMAT
    fleetfold: str = __version__
    nodes: list[ExportedNode] = []
    definitions: list[ExportedDefinition] = []
    schedules: list[ExportedSchedule] = []
    keys: list[ExportedKey] = []


def encode_registry(registry: RegistryFile) -> bytes:
    return msgspec.json.format(msgspec.json.encode(registry, order="deterministic"), indent=2) + b"\n"


def decode_registry(content: bytes, where: str) -> RegistryFile:
    """Read an export. Raises `InvalidInput` with the field for what is not one, `Conflict` for a newer format."""
    try:
        said: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
        _refuse_newer(said, where)
        return msgspec.convert(said, RegistryFile)
    except msgspec.ValidationError as error:
        raise invalid_input(error, where) from None
    except msgspec.DecodeError as error:
        raise InvalidInput(f"{where}: not JSON: {error}", field="file") from None


def _refuse_newer(said: dict[str, Any], where: str) -> None:
    by, form = str(said.get("fleetfold", ""))[:64], said.get("format", FORMAT)
    is_newer = (version_of(by) or ((),))[0] > (version_of(__version__) or ((),))[0]
    if is_newer or (isinstance(form, int) and form > FORMAT):
        raise Conflict(f"{where}: exported by fleetfold {by}, format {form}; upgrade this one, {__version__}, first")
