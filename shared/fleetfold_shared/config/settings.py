"""Declaration of all settings; `docs/reference/configuration.md` is generated from it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fleetfold_shared.config.record_mapping import Reading
from fleetfold_shared.ids import Slug

__all__ = [
    "AccessConfig", "AnsweringConfig", "BackupConfig", "BrokerConfig", "CallbacksConfig", "ChildConfig", "Config",
    "LimitsConfig", "LogConfig", "LogFormat", "LogLevel", "MasterConfig", "RetentionConfig", "SearchConfig",
    "TlsConfig",
]  # fmt: skip

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "console", "json"]


class BrokerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The embedded nats-server of `fleetfold up` and `fleetfold broker`."""

    host: Annotated[str, Meta(min_length=1, description="The address it listens on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Its port; 0 takes a free one.")] = 4222
    store: Annotated[str | None, Meta(description="Where it keeps its streams; `broker` in the state directory.")] = (
        None
    )
    sync: Annotated[
        str,
        Meta(pattern=r"^(always|[1-9][0-9]{0,4}[smh])$", description="When streams are synced: `always`, or so often."),
    ] = "2m"


class MasterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The coordinator of `fleetfold up` and `fleetfold master`."""

    data: Annotated[str | None, Meta(description="Where it keeps its database; `master` in the state directory.")] = (
        None
    )
    heartbeat_s: Annotated[float, Meta(gt=0, le=300, description="How often nodes are to be heard, in seconds.")] = 5.0
    collections: Annotated[
        dict[Slug, str],
        Meta(description="Collections of its own, searched beside the nodes': a name, and the file it is filled from."),
    ] = {}
    reading: Annotated[
        dict[Slug, Reading], Meta(description="By collection, how its records become documents: see `[reading]`.")
    ] = {}
    database: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="Its database, which several masters may share: `postgresql://HOST/NAME` or `sqlite:///FILE`;"
            " `master.db` in `data`."
        ),
    ] = None
    redact: Annotated[
        list[str],
        Meta(description="Regular expressions: what fits is `[redacted]` in errors of nodes, the audit and the log."),
    ] = []
    check_every_s: Annotated[
        float, Meta(ge=60, description="How often its files are checked for damage, in seconds, besides at the start.")
    ] = 86_400.0


class ChildConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A child: `fleetfold child` takes one of them, `fleetfold up` runs them all."""

    name: Annotated[Slug, Meta(description="The node's name: a-z, 0-9 and '-'.")]
    type: Annotated[str, Meta(max_length=63, description="What kind of application it is.")] = "app"
    labels: Annotated[dict[str, str], Meta(description="Labels of your own, to tell nodes by.")] = {}
    weight: Annotated[float, Meta(gt=0, le=1000, description="Its share where work is shared out.")] = 1.0
    concurrency: Annotated[int, Meta(ge=1, le=1000, description="How many requests it serves at once.")] = 16
    collections: Annotated[
        dict[Slug, str], Meta(description='Its collections: a name, and the file it is filled from, or "" for none.')
    ] = {}
    actions: Annotated[list[str], Meta(description="Where its actions are: `module:object`.")] = []
    data: Annotated[
        str | None, Meta(description="Where it keeps its index; `children/NAME` in the state directory.")
    ] = None
    keys: Annotated[
        dict[Slug, list[str]],
        Meta(description="By collection, the fields that identify a thing: `field`, or `field:kind`."),
    ] = {}
    alphas: Annotated[
        dict[Slug, Annotated[float, Meta(ge=0, le=1)]],
        Meta(description="By collection, how words weigh against meaning, from 1 (words alone) to 0; 0.7."),
    ] = {}
    replicas: Annotated[
        dict[Slug, Slug], Meta(description="By collection, the name it shares with those that hold the same documents.")
    ] = {}
    reading: Annotated[
        dict[Slug, Reading], Meta(description="By collection, how its records become documents: see `[reading]`.")
    ] = {}
    databases: Annotated[
        dict[Slug, str],
        Meta(
            description="The application's databases for its actions: a name, and `postgresql://HOST/NAME`, "
            '`sqlite:///FILE`, or "" where `$FLEETFOLD_DATABASE_NAME` says it.'
        ),
    ] = {}
    redact: Annotated[
        list[str],
        Meta(description="Regular expressions: what fits is `[redacted]` in the errors that leave the node."),
    ] = []
    ledger_days: Annotated[float, Meta(ge=1, le=3650, description="How long it remembers what has ended, in days.")] = (
        30.0
    )
    check_every_s: Annotated[
        float, Meta(ge=60, description="How often its files are checked for damage, in seconds, besides at the start.")
    ] = 86_400.0


class LogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the daemons say on stderr."""

    level: Annotated[LogLevel, Meta(description="The least serious that is said.")] = "info"
    format: Annotated[LogFormat, Meta(description="`auto` is console on a terminal, else JSON.")] = "auto"


class AccessConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may say and hear what. A limit of 0 is no limit."""

    keys: Annotated[str | None, Meta(description="Where the fleet's secrets are; `keys` in the state directory.")] = (
        None
    )
    insecure: Annotated[bool, Meta(description="No identities at all: whoever connects may do everything.")] = False
    pending: Annotated[bool, Meta(description="Whether nodes without a token may wait for `nodes approve`.")] = False
    access_s: Annotated[int, Meta(ge=5, le=86_400, description="How long an access token is valid, in seconds.")] = 3600
    refresh_s: Annotated[int, Meta(ge=60, description="How long a refresh token is valid, in seconds.")] = 30 * 86_400
    child_per_minute: Annotated[int, Meta(ge=0, description="Requests a minute of one child.")] = 60
    reader_per_minute: Annotated[int, Meta(ge=0, description="Requests a minute of one reader.")] = 6000
    publisher_per_minute: Annotated[int, Meta(ge=0, description="Requests a minute of one publisher.")] = 6000
    operator_per_minute: Annotated[int, Meta(ge=0, description="Requests a minute of one operator.")] = 0
    admin_per_minute: Annotated[int, Meta(ge=0, description="Requests a minute of one admin.")] = 0
    failed_joins_per_minute: Annotated[
        int, Meta(ge=0, description="Failed joins and connections a minute from one address.")
    ] = 30


class SearchConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the master searches, and what it keeps of searches."""

    max_parallel: Annotated[
        int, Meta(ge=0, le=10_000, description="How many nodes one search asks at once, at most; 0 is no limit.")
    ] = 0
    cache_s: Annotated[
        float, Meta(ge=0, le=86_400, description="How long an answer is cached, in seconds; 0: not at all.")
    ] = 900.0
    cache_memory_bytes: Annotated[int, Meta(ge=0, description="Most bytes of cached answers in memory.")] = 32 * 1024**2
    cache_bytes: Annotated[int, Meta(ge=0, description="Most bytes of cached answers in the database.")] = 128 * 1024**2
    cache_queries: Annotated[int, Meta(ge=0, le=100_000, description="How many questions are counted; 0: none.")] = 1000
    quality_days: Annotated[
        int, Meta(ge=1, le=3650, description="How long clicks and counts of searches are kept, in days.")
    ] = 90


class LimitsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much one master serves and hears at once, and what the broker keeps. Who asks for more is refused at once."""

    requests: Annotated[int, Meta(ge=16, le=100_000, description="Requests under way at once, of all identities.")] = (
        1024
    )
    requests_per_identity: Annotated[
        int, Meta(ge=1, le=100_000, description="Requests under way at once of one identity.")
    ] = 256
    waiting: Annotated[
        int, Meta(ge=16, le=1_000_000, description="Requests at once that only wait for an end or for news, of all.")
    ] = 16_384
    waiting_per_identity: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Requests at once that only wait, of one identity.")
    ] = 4096
    heartbeats_per_s: Annotated[
        int, Meta(ge=1, le=10_000, description="Heartbeats a second of one node that are read; of more, the newest.")
    ] = 10
    progress_per_s: Annotated[
        int, Meta(ge=1, le=100_000, description="Progress reports a second of one node that are read.")
    ] = 4000
    flood_per_s: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Heartbeats, progress reports and answers that nobody asked for, a second"
            " over five seconds, from which on their sender is disconnected; a larger one counts once for every 4096"
            " bytes. 0: never.",
        ),
    ] = 5000
    flood_shut_out_s: Annotated[
        float, Meta(ge=0, le=86_400, description="How long one that was disconnected for it is not let in again.")
    ] = 60.0
    replicas: Annotated[
        int,
        Meta(
            ge=1,
            le=5,
            description="On how many servers of a cluster the broker keeps each message; 3 for three servers. Give all"
            " masters the same.",
        ),
    ] = 1
    commands_bytes: Annotated[
        int,
        Meta(
            ge=1_048_576,
            description="What commands that wait for their nodes may take in the broker; those of one node no more than"
            " is left free.",
        ),
    ] = 2 * 1024**3
    results_bytes: Annotated[
        int, Meta(ge=1_048_576, description="What results that wait for a master may take in the broker.")
    ] = 512 * 1024**2
    events_bytes: Annotated[
        int, Meta(ge=1_048_576, description="What events may take in the broker; the oldest give way.")
    ] = 512 * 1024**2


class TlsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TLS to the broker, and of the embedded broker. `fleetfold certs` makes the files."""

    enabled: Annotated[bool, Meta(description="Whether the embedded broker speaks TLS.")] = False
    ca: Annotated[str | None, Meta(description="The CA that signs the broker's certificate; a PEM file.")] = None
    cert: Annotated[str | None, Meta(description="The certificate this side shows; a PEM file.")] = None
    key: Annotated[str | None, Meta(description="Its private key; a PEM file.")] = None


class AnsweringConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model that `fleetfold ask` has write answers; without `url` they are sentences of the documents.

    Its key is a secret: `FLEETFOLD_ASK_KEY`, or the file in `key_file`.
    """

    url: Annotated[
        Annotated[str, Meta(pattern="^https?://")] | None,
        Meta(description="An OpenAI-compatible endpoint with its path: `http://gpu:8000/v1`."),
    ] = None
    model: Annotated[Annotated[str, Meta(min_length=1)] | None, Meta(description="The model that is asked.")] = None
    models: Annotated[list[str], Meta(description="Other models that callers may name with `--model`.")] = []
    key_file: Annotated[str | None, Meta(description="The file that holds the endpoint's key.")] = None
    timeout_s: Annotated[float, Meta(gt=0, le=600, description="How long an answer may take, in seconds.")] = 60.0
    silence_s: Annotated[float, Meta(gt=0, le=600, description="How long the model may say nothing, in seconds.")] = (
        20.0
    )
    answer_tokens: Annotated[int, Meta(ge=1, le=100_000, description="How long an answer may be, in tokens.")] = 600
    budget_tokens: Annotated[
        int, Meta(ge=100, le=100_000, description="How much of the documents it is given, in tokens of 4 characters.")
    ] = 2000
    floor: Annotated[
        float, Meta(ge=0, le=1, description="The score of the best document below which the fleet does not know.")
    ] = 0.25
    at_once: Annotated[int, Meta(ge=1, le=1000, description="How many answers one master has written at once.")] = 8


class CallbacksConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where webhooks may go. They are signed with the fleet's own secret: `fleetfold keys webhook`."""

    allow: Annotated[
        list[Annotated[str, Meta(max_length=255)]],
        Meta(description="Where webhooks may go: `https://hooks.example.org`, port included; nowhere by default."),
    ] = []
    private: Annotated[
        bool, Meta(description="Whether names in `allow` may stand for private addresses; one written as such may.")
    ] = False


class RetentionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the master keeps what has ended. What is parked, or has a callback under way, stays."""

    jobs_days: Annotated[float, Meta(gt=0, le=36_500, description="How long jobs and their results are kept.")] = 30.0
    transactions_days: Annotated[
        float, Meta(gt=0, le=36_500, description="How long transactions and their timelines are kept.")
    ] = 30.0
    audit_days: Annotated[float, Meta(gt=0, le=36_500, description="How long the audit log is kept.")] = 90.0
    audit_reads_days: Annotated[
        float,
        Meta(ge=0, le=36_500, description="How long searches and pings stay in the audit log; 0: they are not in it."),
    ] = 7.0


class BackupConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Backups that `fleetfold up`, `master` and `child` make by themselves, each of its own data.

    The passphrase that encrypts secrets is in `passphrase_file`, else `FLEETFOLD_BACKUP_PASSPHRASE`.
    """

    target: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="Where they are kept: a directory, or a URL of fsspec's such as `s3://BUCKET/FOLDER`."),
    ] = None
    every_s: Annotated[
        Annotated[int, Meta(ge=60)] | None, Meta(description="How often, in seconds; or `cron` says when.")
    ] = None
    cron: Annotated[str | None, Meta(description="When, as `30 3 * * *`: minute, hour, day, month, weekday.")] = None
    timezone: Annotated[str, Meta(description="The time zone of `cron`.")] = "UTC"
    keep: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="How many of the latest backups are kept; without limits, all."),
    ] = None
    keep_days: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="Younger backups are kept too, in days.")
    ] = None
    passphrase_file: Annotated[
        str | None, Meta(description="The file of the passphrase; without one secrets are left out.")
    ] = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings. Paths in a file are relative to its folder."""

    url: Annotated[
        str | None,
        Meta(
            description="The broker to use, instead of the one that runs here; the servers of a cluster are separated"
            " by commas."
        ),
    ] = None
    prefix: Annotated[Slug, Meta(description="The first token of every subject: one fleet, one prefix.")] = "fleet"
    broker: BrokerConfig = BrokerConfig()
    master: MasterConfig = MasterConfig()
    access: AccessConfig = AccessConfig()
    tls: TlsConfig = TlsConfig()
    log: LogConfig = LogConfig()
    search: SearchConfig = SearchConfig()
    ask: AnsweringConfig = AnsweringConfig()
    callbacks: CallbacksConfig = CallbacksConfig()
    retention: RetentionConfig = RetentionConfig()
    limits: LimitsConfig = LimitsConfig()
    backup: BackupConfig = BackupConfig()
    children: list[ChildConfig] = []
