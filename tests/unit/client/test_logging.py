"""What the log looks like."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import StringIO

import msgspec
import pytest
import structlog

from fleetfold.logging import configure
from support.commandline import logging_as_it_was


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    with logging_as_it_was():
        yield


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_it_is_json_where_there_is_no_terminal() -> None:
    out = StringIO()
    configure("info", stream=out)
    structlog.get_logger("x").info("node.up", node="shop")
    structlog.get_logger("x").debug("too.little")
    (line,) = out.getvalue().splitlines()
    said = msgspec.json.decode(line)
    assert (said["event"], said["node"], said["level"]) == ("node.up", "shop", "info")


def test_it_is_plain_on_a_terminal_unless_json_is_asked_for() -> None:
    plain, as_json = Terminal(), Terminal()
    configure("info", stream=plain)
    structlog.get_logger("x").info("node.up")
    configure("info", "json", as_json)
    structlog.get_logger("y").info("node.up")
    assert "node.up" in plain.getvalue()
    assert not plain.getvalue().startswith("{")
    assert msgspec.json.decode(as_json.getvalue())["event"] == "node.up"


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_never_shows_local_variables(form: str) -> None:
    out = StringIO()
    configure("info", form, out)  # type: ignore[arg-type]
    secret = "s3cr" + "et"
    try:
        int(f"{secret[:0]}broken")
    except ValueError:
        structlog.get_logger("z").exception("failed")
    assert "ValueError: invalid literal" in out.getvalue()
    assert secret not in out.getvalue()


def test_libraries_come_out_in_the_same_form_from_warning_up() -> None:
    out = StringIO()
    configure("info", stream=out)
    logging.getLogger("library").warning("mind %s", "this")
    logging.getLogger("library").info("chatter")
    (line,) = out.getvalue().splitlines()
    assert msgspec.json.decode(line)["event"] == "mind this"
