"""Texts that have broken searches elsewhere: quotes, comments, SQL, wildcards, control characters, odd scripts."""

from __future__ import annotations

__all__ = ["ODD"]

ODD = [
    "'", "''", '"', "`", "\\", "\\'", "';", "' OR '1'='1", "') OR 1=1 --", "x'); DROP TABLE products; --",
    "a -- b", "/* a */", "a */ OR true /*", "# a", "SELECT", "NULL", "true", "id", "title", "id = 'a'", "%", "_",
    "%tent%", "a_b",
    "${7*7}", "{{7*7}}", "$where", "\x00", "a\x00b", "\n", "\t", "\r\n", "\x1b[31m", "\u2028", "\ufeff",
    "\u202eabc", "é", "e\u0301", "ß", "SS", "İ", "ﬁ", "日本語", "שלום עולם", "مرحبا", "🏕️", "👩‍👩‍👧",
    "𝔘𝔫𝔦", "\U0010ffff", "\uffff",
    "../../etc/passwd", "a/b", "a.b", ".", "..", "a,b", "(", ")", "[1]", "{}", "*", "?", ":", "|", "&", "<b>", "1",
    "1.0", "-0", "x" * 500, "'" * 400,
]  # fmt: skip
"""All of them can be a document's id."""
