"""Detection of HTML and Markdown. In doubt a text is neither: code and comparisons stay as they are.

Every pattern here is linear in the text: none of them can be continued in two ways.
"""

from __future__ import annotations

import re
from typing import Literal

from fleetfold_child.connectors.markup.elements import KNOWN
from fleetfold_child.connectors.markup.markdown import FRONT_MATTER

__all__ = ["Kind", "kind_of", "unescaped_entities"]

Kind = Literal["html", "markdown", "entities", "text"]

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)(?:\s[^<>]*|/)?>")
_COMMENT = re.compile(r"\s*<!(?:--|doctype\s+html)", re.IGNORECASE)
_AT_START = re.compile(r"\s*<([A-Za-z][A-Za-z0-9]*)[\s/>]")
_ALONE = frozenset({"br", "hr", "img", "wbr"})
"""Elements that are evidence of HTML without an end tag."""
_MAY_STAY_OPEN = frozenset({"p", "li", "td", "th", "tr", "dt", "dd", "option"})

_ENTITY = re.compile(
    r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|amp|lt|gt|quot|apos|nbsp|shy|hellip|[mn]dash|[lrsb]squo|[lrb]dquo|[lr]aquo"
    r"|euro|pound|yen|cent|copy|reg|trade|deg|bull|middot|iexcl|iquest|szlig|times|divide|plusmn|micro|sect|para"
    r"|frac(?:12|14|34)|sup[123]|[lr]arr|[lr]saquo|thinsp|e[nm]sp|zwn?j|[A-Za-z](?:uml|acute|grave|circ|tilde|cedil|ring|slash)"
    r"|(?:ae|AE|oe|OE)(?:lig)?);"
)

_EVIDENCE: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"^(?:```|~~~)[^\n`]*$", re.MULTILINE), 1),  # twice: a block of code
    (re.compile(r"!?\[[^\[\]\n]{1,300}\]\((?:https?://|mailto:|/|\.{1,2}/|#|[\w.-]{1,100}\.\w{2,5}\b)"), 2),
    (re.compile(r"^\|?[ \t]*:?-{3,}:?[ \t]*\|[ \t:|-]*$", re.MULTILINE), 2),
    (re.compile(r"(?:\A|\n[ \t]*\n)#{1,6} \S[^\n]*\n[ \t]*\n"), 2),
    (re.compile(r"^#{1,6} \S", re.MULTILINE), 1),
    (re.compile(r"(?<![\w*])\*\*[^\s*][^*\n]{0,300}\*\*(?![\w*])"), 1),
    (re.compile(r"(?<![\w`])`[^`\n]{1,300}`(?![\w`])"), 1),
    (re.compile(r"^[ \t]{0,3}[-*+] \S[^\n]*\n(?:[ \t]*\n)?[ \t]{0,3}[-*+] \S", re.MULTILINE), 1),
    (re.compile(r"^\[[^\[\]\n]{1,100}\]: (?:https?://|/)", re.MULTILINE), 2),
    (re.compile(r"^\S[^\n]*\n(?:={3,}|-{3,})[ \t]*$", re.MULTILINE), 1),
)
ENOUGH = 2
"""Weight of evidence from which a text is Markdown."""


def kind_of(text: str) -> Kind:
    """Return the kind of a text: first HTML that begins with a tag, then Markdown, which may contain HTML, then other
    HTML.
    """
    marked = "<" in text and _is_html(text)
    if marked and _begins_as_html(text):
        return "html"
    if _is_markdown(text):
        return "markdown"
    if marked:
        return "html"
    return "entities" if "&" in text and _ENTITY.search(text) else "text"


def unescaped_entities(text: str) -> str:
    """Resolve the character references that a template has left in a plain text."""
    import html

    return _ENTITY.sub(lambda match: html.unescape(match[0]), text).replace("\xa0", " ").replace("\xad", "")


def _is_html(text: str) -> bool:
    """Tell whether an element is opened and closed, is void as `<br>`, or is left open repeatedly."""
    opened: dict[str, int] = {}
    for match in _TAG.finditer(text):
        closing, name = match[1], match[2].lower()
        if name in _ALONE or (closing and name in opened):
            return True
        if not closing and name in KNOWN:
            opened[name] = opened.get(name, 0) + 1
            if name in _MAY_STAY_OPEN and opened[name] > 1:
                return True
    return _COMMENT.match(text) is not None and ("-->" in text or "<html" in text.lower())


def _begins_as_html(text: str) -> bool:
    start = _AT_START.match(text)
    return _COMMENT.match(text) is not None or (start is not None and start[1].lower() in KNOWN)


def _is_markdown(text: str) -> bool:
    if FRONT_MATTER.match(text):
        return True
    found = 0
    for pattern, weight in _EVIDENCE:
        if pattern.search(text):
            found += weight
            if found >= ENOUGH:
                return True
    fence = _EVIDENCE[0][0]
    return found > 0 and sum(1 for _ in zip(fence.finditer(text), range(ENOUGH), strict=False)) == ENOUGH
