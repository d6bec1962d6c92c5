"""What an exception of an application says, whatever its class does when it is asked."""

from __future__ import annotations

__all__ = ["exception_text", "named_text", "one_line"]


def exception_text(error: BaseException) -> str:
    """`str(error)` in one line that can travel; empty where that raises, as of a number with too many digits."""
    try:
        said = str(error)
    except Exception:  # noqa: BLE001  # its class may raise anything
        return ""
    return one_line(said)


def named_text(error: BaseException) -> str:
    """The exception's class and what it says."""
    return f"{type(error).__name__}: {exception_text(error)}".rstrip(": ")


def one_line(text: str) -> str:
    """The text without line breaks and runs of blanks, `?` for each half of a surrogate pair."""
    return " ".join(text.encode("utf-8", "replace").decode().split())
