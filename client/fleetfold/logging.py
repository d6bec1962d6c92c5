"""Logging: stderr, plain on a terminal, JSON lines elsewhere.

Tracebacks never show local variables, which may hold documents and credentials.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import Processor

from fleetfold_shared.config import LogFormat, LogLevel
from fleetfold_shared.log_fields import add_served_fields
from fleetfold_shared.redaction import Redactor

__all__ = ["configure", "configure_library", "is_configured_by_program"]


class _LibraryLog(structlog.PrintLoggerFactory):
    """Marks a configuration as the library's own, which a program may replace."""


def configure(
    level: LogLevel,
    format: LogFormat = "auto",  # noqa: A002
    stream: TextIO | None = None,
    redact: Redactor | None = None,
) -> None:
    """Have structlog and the standard library write to `stream`, by default stderr, what is at least `level`. What
    `redact` finds in a text is not written.
    """
    stream = stream or sys.stderr
    renderer = [*_redacting(redact), *_renderer(format, stream)]
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_shared(), *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    _configure_libraries(max(threshold, logging.WARNING), renderer, stream)


def _redacting(redact: Redactor | None) -> list[Processor]:
    """Tracebacks become texts first, so that they are looked at too."""
    return [structlog.processors.format_exc_info, redact.in_log] if redact else []


def configure_library() -> None:
    """Configure logging for a program that only imports fleetfold: warnings on stderr, unless it configured
    structlog."""
    if not structlog.is_configured():
        structlog.configure(
            processors=[*_shared(), *_renderer("auto", sys.stderr)],
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=_LibraryLog(sys.stderr),
        )


def is_configured_by_program() -> bool:
    """Whether the program has set up structlog itself."""
    return structlog.is_configured() and not isinstance(structlog.get_config()["logger_factory"], _LibraryLog)


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        add_served_fields,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _renderer(format: LogFormat, stream: TextIO) -> list[Processor]:  # noqa: A002
    if format == "console" or (format == "auto" and stream.isatty()):
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _configure_libraries(threshold: int, renderer: list[Processor], stream: TextIO) -> None:
    """Format messages of libraries that use the standard library's logging in the same way."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(level=threshold, handlers=[handler], force=True)
