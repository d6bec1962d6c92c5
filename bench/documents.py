"""Documents and queries to search, generated: the same ones each time, with words as unequal as those of a language."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

__all__ = ["Library"]

VOCABULARY = 20_000
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstv" for vowel in ("a", "e", "i", "o", "u", "ar", "en")]
TITLE_WORDS, CONTENT_WORDS, QUERY_WORDS = 5, 60, 4


class Library:
    """Texts by Zipf's law: the word of rank r is drawn as often as 1 / r says."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        words = random.Random(0)  # the same language in all of them
        self._words = ["".join(words.choices(SYLLABLES, k=words.randint(2, 4))) for _ in range(VOCABULARY)]
        self._weights = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))

    def text(self, words: int) -> str:
        """So many words."""
        return " ".join(self._random.choices(self._words, cum_weights=self._weights, k=words))

    def queries(self, count: int) -> Iterator[str]:
        """Short texts."""
        return (self.text(QUERY_WORDS) for _ in range(count))

    def write(self, path: Path, count: int) -> None:
        """A JSONL file of `count` documents."""
        with path.open("w", encoding="utf-8") as file:
            for number in range(count):
                record = {"id": f"d{number}", "title": self.text(TITLE_WORDS), "content": self.text(CONTENT_WORDS)}
                file.write(json.dumps(record) + "\n")
