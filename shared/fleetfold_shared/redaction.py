"""Redaction of texts: matches of regular expressions are replaced by `[redacted]`."""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping
from typing import Any

from fleetfold_shared.errors import InvalidInput

__all__ = ["REDACTED", "Redactor"]

REDACTED = "[redacted]"


class Redactor:
    """Redaction by the rules of one setting; without rules, texts stay as they are.

    Raises `InvalidInput` for the setting `field` when a rule is not a regular expression.
    """

    def __init__(self, rules: Iterable[str] = (), field: str = "redact") -> None:
        self._rules = [_compiled(rule, f"{field}.{place}") for place, rule in enumerate(rules)]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def __call__(self, text: str) -> str:
        """Return the text with all matches replaced."""
        for rule in self._rules:
            text = rule.sub(REDACTED, text)
        return text

    def in_log(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Redact every text of a log entry; a structlog processor."""
        for key, value in event.items():
            if isinstance(value, str):
                event[key] = self(value)
        return event


def _compiled(rule: str, field: str) -> re.Pattern[str]:
    try:
        return re.compile(rule)
    except re.error as error:
        raise InvalidInput(f"{field}: {rule!r} is no regular expression: {error}", field=field) from None
