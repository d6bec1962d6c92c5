"""HTML elements, by their meaning for the text."""

from __future__ import annotations

__all__ = ["BLOCKS", "DROPPED", "KNOWN", "VOID"]

DROPPED = frozenset((
    "script", "style", "template", "noscript", "noframes", "noembed", "iframe", "object", "applet", "svg", "audio",
    "video", "canvas",
))  # fmt: skip
"""Elements whose content is not text for a reader."""

VOID = frozenset((
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
))  # fmt: skip
"""Elements that have no content and no end tag."""

BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "br", "button", "caption", "center", "dd", "details",
    "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "frameset", "h1",
    "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup", "hr", "html", "legend", "li", "main", "menu", "nav",
    "ol", "optgroup", "option", "p", "pre", "section", "select", "summary", "table", "tbody", "td", "textarea",
    "tfoot", "th", "thead", "title", "tr", "ul", "xmp",
))  # fmt: skip
"""Elements that separate words, where inline ones such as `b` do not."""

_INLINE = (
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "blink", "cite", "code", "colgroup", "data", "datalist",
    "del", "dfn", "em", "font", "frame", "i", "ins", "kbd", "label", "map", "mark", "marquee", "math", "meter",
    "nobr", "output", "picture", "plaintext", "progress", "q", "rb", "rp", "rt", "rtc", "ruby", "s", "samp",
    "slot", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "annotation", "menclose",
    "merror", "mfenced", "mfrac", "mi", "mmultiscripts", "mn", "mo", "mover", "mpadded", "mphantom", "mprescripts",
    "mroot", "mrow", "ms", "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr",
    "munder", "munderover", "semantics",
)  # fmt: skip
KNOWN = DROPPED | VOID | BLOCKS | frozenset(_INLINE)
"""All elements; any other name between angle brackets is taken as text, unless its element is closed."""
