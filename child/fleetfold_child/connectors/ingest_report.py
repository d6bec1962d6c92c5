"""Report on the ingestion of records into a collection."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import msgspec

from fleetfold_child.connectors.common_field_names import usual
from fleetfold_child.connectors.files import Found, Problem, Read, SourceNote
from fleetfold_shared.config import Reading
from fleetfold_shared.errors import InvalidInput

__all__ = ["MOST_NAMED", "IndexReport", "RecordCounter"]

MOST_NAMED = 5
"""Most records named for each kind of problem; the others are counted."""
_NAMES_SHOWN = 8


class IndexReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """Counts of records taken, of new or different documents, and of documents removed by a sync.

    `left_out` records were refused, `repeated` ones replaced an earlier one with the same id, `without_text` ones are
    found by filters only. `notes` has one line for each remark; absent without any.
    """

    taken: int
    changed: int
    removed: int
    left_out: int = 0
    repeated: int = 0
    without_text: int = 0
    notes: list[str] = []


class RecordCounter:
    """Counter of a source's records. `ids` has the ids of all records, taken or not, with their places."""

    def __init__(self, reading: Reading) -> None:
        self._id, self._searched = reading.id, ", ".join(reading.text or ())
        self._awaited = dict.fromkeys((*((reading.title,) if reading.title else ()), *(reading.text or ())))
        self.taken = 0
        self.left_out = 0
        self.repeated = 0
        self.without_text = 0
        self.unnamed = 0
        self.ids: dict[str, str] = {}
        self._problems: list[str] = []
        self._repetitions: list[str] = []
        self._notes: list[str] = []
        self._names: dict[str, None] = {}
        self._guessed: dict[str, None] = {}

    def add(self, found: Found) -> None:
        """Count a document, a problem or a note."""
        if isinstance(found, SourceNote):
            self._notes.append(found.message)
        elif isinstance(found, Problem):
            self._add_problem(found)
        else:
            self._add_document(found)

    def check(self, *, repeated: bool) -> None:
        """Raise `InvalidInput` if a record is bad; or if an id is repeated, where that is asked for."""
        bad = [*self._problems, *(self._repetitions if repeated else ())]
        if bad:
            others = self.left_out + (self.repeated if repeated else 0) - 1
            more = f" (and {others:,} more)" if others else ""
            raise InvalidInput(f"{bad[0]}{more}; nothing was taken", field="records")

    def check_any(self) -> None:
        """Raise `InvalidInput` if there are records and all of them are bad."""
        if self.left_out and not self.taken:
            raise InvalidInput(f"none of {self.left_out:,} records can be taken: {self._problems[0]}", field="records")

    def report(self, changed: int, removed: int = 0, notes: Iterable[str] = ()) -> IndexReport:
        """Return the counts, with remarks on everything unusual."""
        return IndexReport(
            self.taken, changed, removed, self.left_out, self.repeated, self.without_text,
            [
                *_some(self._problems, self.left_out, "records were left out"),
                *_some(self._repetitions, self.repeated, "records have the id of another one"),
                *self._about_texts(), *self._notes, *notes,
            ],
        )  # fmt: skip

    def _add_problem(self, problem: Problem) -> None:
        self.left_out += 1
        if problem.id is None:
            self.unnamed += 1
        else:
            self.ids.setdefault(problem.id, problem.place)
        if len(self._problems) < MOST_NAMED:
            self._problems.append(str(problem))

    def _add_document(self, read: Read) -> None:
        self.taken += 1
        document = read.document
        if (first := self.ids.get(document.id)) is not None:
            self.repeated += 1
            if len(self._repetitions) < MOST_NAMED:
                self._repetitions.append(
                    f"{read.place}: the id {document.id[:80]!r} is that of {first}; the last one counts"
                )
        self.ids[document.id] = _short(read.place)
        if not document.title and not document.content:
            self.without_text += 1
            self._names.update(dict.fromkeys(name for name in read.names[:_NAMES_SHOWN] if name != self._id))
        self._guessed.update(dict.fromkeys(read.texts.guessed))
        if self._awaited:
            self._awaited = {name: None for name in self._awaited if name not in read.names}

    def _about_texts(self) -> Iterable[str]:
        if self._awaited and self.taken:
            yield f"no record has a field {', '.join(map(repr, self._awaited))}, which was named to be searched"
        if self.without_text:
            names = ", ".join(islice(self._names, _NAMES_SHOWN)) or "none"
            why = f"they have nothing in {self._searched}" if self._searched else f"no field is called {usual()}..."
            yield (
                f"{self.without_text:,} of {self.taken:,} records have no text and are not found by words: {why}; "
                f"their fields are {names}: name those to search with --text, or text="
            )
        if self._guessed:
            names = ", ".join(islice(self._guessed, _NAMES_SHOWN))
            yield f"no field has a usual name, so long ones are searched: {names}; name others with --text, or text="


def _some(lines: list[str], count: int, what: str) -> list[str]:
    more = count - len(lines)
    return [*lines, f"and {more:,} more {what}"] if more > 0 else lines


def _short(place: str) -> str:
    """Return the place within its file."""
    number = place.rpartition(":")[2].strip()
    return f"line {number}" if number.isdecimal() else number
