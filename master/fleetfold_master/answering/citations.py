"""The citation filter: removes citations of sources that a model was not given, while its words are streamed."""

from __future__ import annotations

import re

__all__ = ["UNKNOWN", "Citations"]

UNKNOWN = "UNKNOWN"
"""The word by which a model says that the passages do not answer the question."""

_CITATION = re.compile(r"[ \t]*[\[【]\s*(\d{1,6}(?:\s*[,;]\s*\d{1,6})*)\s*[\]】]")
_BEGUN = re.compile(r"[ \t]*(?:[\[【][\d\s,;]{0,40})?\Z")
_OPEN = re.compile(r"[\[【][\d\s,;]*\Z")
_NUMBER = re.compile(r"\d+")


class Citations:
    """Passes words on without invalid citations; text that may be the beginning of one is held back."""

    def __init__(self, sources: int) -> None:
        self._sources = sources
        self._held = ""
        self._said: list[str] = []
        self.cited: set[int] = set()
        self.invalid = 0

    @property
    def text(self) -> str:
        """All text passed on so far."""
        return "".join(self._said).strip()

    @property
    def unknown(self) -> bool:
        """Whether the model said only that it does not know; to be called after `end`."""
        return self.text.rstrip(".") == UNKNOWN

    def pass_on(self, words: str) -> str:
        """The text of `words`, and of those held back before, that is certain by now."""
        self._held += words
        if not self._said and UNKNOWN.startswith(self._held.strip()[: len(UNKNOWN)]):
            return ""
        begun = _BEGUN.search(self._held)
        cut = begun.start() if begun else len(self._held)
        ready, self._held = self._held[:cut], self._held[cut:]
        return self._let_through(ready)

    def end(self) -> str:
        """The text held back, because nothing follows any more."""
        ready, self._held = self._held, ""
        checked = self._let_through(ready)
        return "" if self.unknown else checked

    def _let_through(self, words: str) -> str:
        checked = _CITATION.sub(self._checked, words)
        if checked:
            self._said.append(checked)
        return checked

    def _checked(self, found: re.Match[str]) -> str:
        numbers = [int(number) for number in _NUMBER.findall(found[1])]
        good = [number for number in numbers if 1 <= number <= self._sources]
        self.invalid += len(numbers) - len(good)
        self.cited.update(good)
        if not good:
            return "?" if self._stands_in_brackets(found) else ""
        space = " " if found[0][0] in " \t" else ""
        return space + "".join(f"[{number}]" for number in good)

    def _stands_in_brackets(self, found: re.Match[str]) -> bool:
        """Whether removing the match would make a citation of its surroundings: `[1[9]2]`."""
        return _OPEN.search("".join(self._said[-3:]) + found.string[: found.start()]) is not None
