"""What a rule finds in the text of an error does not get out."""

from __future__ import annotations

from io import StringIO

import pytest
import structlog

from fleetfold.logging import configure
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.redaction import Redactor
from support.commandline import logging_as_it_was


def test_what_a_rule_finds_is_replaced() -> None:
    redact = Redactor([r"card \d+", r"(?i)token=\S+"])
    assert redact("card 1234 and Token=abc card 5") == "[redacted] and [redacted] [redacted]"
    assert bool(redact)


def test_without_rules_a_text_stays_as_it_is() -> None:
    redact = Redactor()
    assert (redact("card 1234"), bool(redact)) == ("card 1234", False)


def test_a_rule_that_is_none_is_refused_by_its_setting() -> None:
    with pytest.raises(InvalidInput, match=r"master\.redact\.1: '\(' is no regular expression"):
        Redactor(["a", "("], "master.redact")


@pytest.mark.parametrize("form", ["json", "console"])
def test_the_log_is_redacted_tracebacks_too(form: str) -> None:
    stream = StringIO()
    with logging_as_it_was():
        configure("info", form, stream, Redactor([r"card \d+"]))  # type: ignore[arg-type]  # of the two
        log = structlog.get_logger("test")
        log.warning("card 12 is spent", why="card 34", number=7)
        try:
            int("card 56")
        except ValueError:
            log.exception("broke")
    said = stream.getvalue()
    assert said.count("[redacted]") >= 3
    assert not [number for number in ("12", "34", "56") if f"card {number}" in said]
