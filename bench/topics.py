"""Documents about something, generated: topics have words of their own, so vectors lie in clusters, as real ones do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import accumulate

from bench.documents import SYLLABLES
from fleetfold_child.connectors.documents import Document

__all__ = ["TopicLibrary"]

TOPICS = 400
COMMON_WORDS, TOPIC_WORDS = 20_000, 150
TITLE_WORDS, CONTENT_WORDS, QUERY_WORDS = 6, 94, 4
ABOUT = 0.4  # of a text's words are its topic's; the others are anybody's
BRANDS, CITIES = 40, 500


class TopicLibrary:
    """Texts of 100 words. A topic's words, like all words, come as often as 1 / rank says."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        language = random.Random(0)  # the same in all of them
        self._words = ["".join(language.choices(SYLLABLES, k=language.randint(2, 4))) for _ in range(COMMON_WORDS)]
        self._topics = [language.choices(self._words[50:], k=TOPIC_WORDS) for _ in range(TOPICS)]
        self._weights = list(accumulate(1 / rank for rank in range(1, COMMON_WORDS + 1)))
        self._topic_weights = list(accumulate(1 / rank for rank in range(1, TOPIC_WORDS + 1)))

    def documents(self, count: int, first: int = 0) -> Iterator[Document]:
        """So many documents, with metadata to filter, count and sort by."""
        for number in range(first, first + count):
            topic = self._random.randrange(TOPICS)
            metadata = {
                "brand": f"brand-{int(self._random.paretovariate(1)) % BRANDS}",
                "price": round(self._random.lognormvariate(3, 1), 2),
                "place": {"city": self._random.randrange(CITIES)},
                "tags": self._random.sample(["new", "sale", "blue", "green", "heavy"], 2),
            }
            yield Document(f"d{number}", self._text(topic, TITLE_WORDS), self._text(topic, CONTENT_WORDS), metadata)

    def queries(self, count: int) -> Iterator[str]:
        """Short texts, each about one topic."""
        return (self._text(self._random.randrange(TOPICS), QUERY_WORDS) for _ in range(count))

    def _text(self, topic: int, words: int) -> str:
        own = sum(self._random.random() < ABOUT for _ in range(words))
        chosen = self._random.choices(self._topics[topic], cum_weights=self._topic_weights, k=own)
        chosen += self._random.choices(self._words, cum_weights=self._weights, k=words - own)
        return " ".join(chosen)
