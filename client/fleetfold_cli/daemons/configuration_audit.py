"""The configuration audit: weaknesses in the settings, the environment and the files of a fleet."""

from __future__ import annotations

import difflib
import ipaddress
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from fleetfold.credentials import API_KEY, LOCAL_NAME
from fleetfold.file_exposure import exposures
from fleetfold_broker.secret_file import weakness
from fleetfold_cli.daemons.keys_and_tls import in_the_open
from fleetfold_shared.config import Config, variables
from fleetfold_shared.messages import KeyInfo
from fleetfold_shared.urls import redacted_url

__all__ = [
    "Finding", "endless_admins", "in_environment", "in_files", "in_places", "in_settings", "places", "secret_files",
]  # fmt: skip

SECRETS = (
    API_KEY, "FLEETFOLD_JOIN", "FLEETFOLD_BROKER_KEYS", "FLEETFOLD_SIGNING_KEYS", "FLEETFOLD_ASK_KEY",
    "FLEETFOLD_WEBHOOK_SECRET", "FLEETFOLD_BACKUP_PASSPHRASE",
)  # fmt: skip
OTHERS = {"FLEETFOLD_STATE", "FLEETFOLD_CONFIG", *SECRETS, *(f"{name}_FILE" for name in SECRETS)}
INTERNAL = (".internal", ".local", ".localhost", ".home.arpa")
"""Suffixes of internal names."""


class Finding(msgspec.Struct, frozen=True):
    """A `weak` one must be fixed; a `note` is for information. `what` is one line with the remedy."""

    severity: Literal["weak", "note"]
    where: str
    what: str


def in_settings(config: Config) -> Iterator[Finding]:
    """Findings in the settings."""
    if config.access.insecure:
        yield Finding("weak", "access.insecure", "there are no identities: whoever connects may do everything")
    if what := in_the_open(config.broker.host, tls=config.tls.enabled):
        yield Finding("weak", "broker.host", what)
    if config.url:
        yield from _in_url(config.url, has_ca=bool(config.tls.ca))
    if config.ask.url:
        yield from _in_ask(config.ask.url)
    if config.access.pending:
        yield Finding("note", "access.pending", "whoever reaches the broker may ask to be approved as a node")
    if not config.access.failed_joins_per_minute:
        yield Finding("note", "access.failed_joins_per_minute", "failed joins and connections are not limited")


def in_environment(env: Mapping[str, str]) -> Iterator[Finding]:
    """Secrets in environment variables, and variables without effect."""
    for name in SECRETS:
        if env.get(name):
            yield Finding("note", name, f"a secret in the environment is seen by every child process: use {name}_FILE")
    known = {name for name, _ in variables()} | OTHERS
    for name in env:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        if name.startswith("FLEETFOLD_") and name not in known and near:
            yield Finding("note", name, f"there is no such setting: is it {near[0]}?")


def secret_files(config: Config, env: Mapping[str, str], keys: Path, state: Path) -> Iterator[Path]:
    """The places of the fleet's secrets on this machine, its keys directory first."""
    yield keys
    yield from sorted((*keys.glob("*.json"), *keys.glob("*.secret")))
    yield from sorted((state / "tls").glob("*.key"))
    configured = [Path(child.data) / "credentials.json" for child in config.children if child.data]
    found = [file for place in (state, keys.parent) for file in place.glob("children/*/credentials.json")]
    yield from sorted({*configured, *found})
    named = [env.get(f"{name}_FILE") for name in SECRETS]
    yield from (Path(file) for file in dict.fromkeys((*named, config.tls.key, config.ask.key_file)) if file)


def in_files(paths: Iterable[Path]) -> Iterator[Finding]:
    """Files and folders that others may read."""
    for path in paths:
        if path.is_dir():
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                what = f"others may look into it (mode {mode:04o}); run `chmod 700 {path}`"
                yield Finding("weak", str(path), what)
        elif problem := weakness(path):
            yield Finding("weak", str(path), problem.removeprefix(f"{path} "))


def places(config: Config, keys: Path, state: Path) -> list[Path]:
    """The folders of a fleet on this machine: its state, data and secrets."""
    set_ones = (config.broker.store, config.master.data, *(child.data for child in config.children))
    return [state, keys, *(Path(place) for place in set_ones if place)]


def in_places(folders: Iterable[Path]) -> Iterator[Finding]:
    """Folders, and files in them, that other users may access."""
    for exposure in exposures(folders):
        yield Finding(exposure.severity, str(exposure.path), exposure.what)


def endless_admins(keys: Iterable[KeyInfo]) -> Iterator[Finding]:
    """Admin keys without an expiry, except this machine's own, which is stored beside the fleet's secrets."""
    for key in keys:
        if key.role == "admin" and key.expires_at is None and key.revoked_at is None and key.name != LOCAL_NAME:
            what = f"an admin key ({key.id}) that never ends: make another with --expires, and revoke this one"
            yield Finding("note", f"key {key.name}", what)


def _in_url(url: str, *, has_ca: bool) -> Iterator[Finding]:
    for each in url.split(","):
        parts = urlsplit(each if "://" in each else f"nats://{each}")
        if parts.scheme != "tls" and not has_ca and _is_public(parts.hostname or ""):
            what = f"{redacted_url(each)} is reached without TLS: write tls://, or name its CA in tls.ca"
            yield Finding("weak", "url", what)
        if parts.password:
            yield Finding("note", "url", f"the password in {redacted_url(each)} is seen wherever the URL is")


def _in_ask(url: str) -> Iterator[Finding]:
    parts = urlsplit(url)
    if parts.scheme == "http" and _is_public(parts.hostname or ""):
        what = f"passages of documents and the key go to {parts.hostname} in plain text: write https://"
        yield Finding("weak", "ask.url", what)
    if parts.password:
        yield Finding("weak", "ask.url", "a password in it is seen wherever the settings are: use ask.key_file")


def _is_public(host: str) -> bool:
    """Whether the route to the host may be public. A name of one word is local, as in a compose file."""
    try:
        return not ipaddress.ip_address(host).is_private
    except ValueError:
        return "." in host and not host.endswith(INTERNAL)
