"""Configuration of the daemons: defaults, then a TOML file, then `FLEETFOLD_*` variables. Options on the command line
come last and are applied by the command itself.
"""

from __future__ import annotations

from fleetfold_shared.config.loading import load, variables
from fleetfold_shared.config.record_mapping import FieldType, Reading, TextFormat
from fleetfold_shared.config.settings import (
    AccessConfig,
    AnsweringConfig,
    BackupConfig,
    BrokerConfig,
    CallbacksConfig,
    ChildConfig,
    Config,
    LimitsConfig,
    LogConfig,
    LogFormat,
    LogLevel,
    MasterConfig,
    RetentionConfig,
    SearchConfig,
    TlsConfig,
)

__all__ = [
    "AccessConfig", "AnsweringConfig", "BackupConfig", "BrokerConfig", "CallbacksConfig", "ChildConfig", "Config",
    "FieldType", "LimitsConfig", "LogConfig", "LogFormat", "LogLevel", "MasterConfig", "Reading", "RetentionConfig",
    "SearchConfig", "TextFormat", "TlsConfig", "load", "variables",
]  # fmt: skip
