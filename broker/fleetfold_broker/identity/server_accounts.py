"""Account configuration of a nats-server: four accounts, their exports and imports, and the auth callout. Public keys
only.

Masters and the streams are in FLEET, all other identities in APP. Only the subjects below pass between the two, each in
one direction. So no identity in APP can reach JetStream, publish a command, or direct the broker's own replies at a
master: a reply subject that the server does not check stays within the account.

Requests of service discovery (`$SRV.>`) pass twice: unchanged, and as a service import with `share`, to which the
server adds the caller's name. Reasons: docs/decisions/0006 and docs/decisions/0007.
"""

from __future__ import annotations

from fleetfold_broker.identity.master_nkeys import PublicKeys
from fleetfold_broker.identity.permissions import INTROSPECTION
from fleetfold_broker.jetstream.topology import COMMANDS
from fleetfold_broker.subjects import Subjects

__all__ = ["APP", "AUTH", "FLEET", "SYS", "identity_config"]

AUTH, FLEET, APP, SYS = "AUTH", "FLEET", "APP", "SYS"

TEXT = """\
# Who may say and hear what. Written by fleetfold; `fleetfold keys broker` writes it again.
accounts {{
  {AUTH} {{ users: [{{ nkey: {auth} }}] }}
  {SYS} {{ users: [{{ nkey: {sys} }}] }}
  {FLEET} {{
    jetstream: enabled
    users: [{{ nkey: {fleet} }}]
    exports: [
{to_app}
      {{ service: "{acks}", accounts: [{APP}] }}
      {{ service: "{discovery}", accounts: [{APP}], response_type: stream }}
    ]
    imports: [
{from_app}
    ]
  }}
  {APP} {{
    exports: [
{to_fleet}
    ]
    imports: [
{from_fleet}
      {{ service: {{ account: {FLEET}, subject: "{acks}" }} }}
      {{ service: {{ account: {FLEET}, subject: "{discovery}" }}, to: "{INTROSPECTION}", share: true }}
    ]
  }}
}}
system_account: {SYS}
authorization {{
  timeout: 30 # seconds: after a restart everybody comes back at once
  auth_callout {{ issuer: {issuer}, account: {AUTH}, auth_users: [{auth}, {fleet}, {sys}] }}
}}
"""


def identity_config(public: PublicKeys, prefix: str = "fleet") -> str:
    """Return the configuration text: accounts, exports and imports, and the auth callout."""
    subjects = Subjects(prefix)
    said_by_masters = [
        subjects.ask(">"), subjects.call("*", ">"), subjects.deliver("*"), subjects.confirm(">"), subjects.notify("*"),
        "_INBOX.>",
    ]  # fmt: skip
    said_to_masters = [
        subjects.heartbeat(), subjects.gather("*"), subjects.api(), subjects.join(), subjects.result(),
        subjects.progress(), subjects.event(), INTROSPECTION,
    ]  # fmt: skip
    return TEXT.format(
        AUTH=AUTH, SYS=SYS, FLEET=FLEET, APP=APP, auth=public.auth, sys=public.sys, fleet=public.fleet,
        issuer=public.issuer, acks=f"$JS.ACK.{COMMANDS}.*.>",
        discovery=subjects.discovery(), INTROSPECTION=INTROSPECTION,
        to_app=_exports(said_by_masters, APP), from_fleet=_imports(said_by_masters, FLEET),
        to_fleet=_exports(said_to_masters, FLEET), from_app=_imports(said_to_masters, APP),
    )  # fmt: skip


def _exports(subjects: list[str], account: str) -> str:
    return "\n".join(f'      {{ stream: "{subject}", accounts: [{account}] }}' for subject in subjects)


def _imports(subjects: list[str], account: str) -> str:
    return "\n".join(f'      {{ stream: {{ account: {account}, subject: "{subject}" }} }}' for subject in subjects)
