"""Markup is read as the text that a person would see, and what only looks like markup stays as it is."""

from __future__ import annotations

import time

import pytest

from fleetfold_child.connectors.markup import plain_text
from fleetfold_shared.config import TextFormat

HTML = [
    ("<p>A <b>quiet</b>&nbsp;kettle.</p>", "A quiet kettle."),
    ("<p>One</p><p>Two</p>", "One\nTwo"),
    ("<p>One<p>Two", "One\nTwo"),
    ("Line<br>two<br/>three", "Line\ntwo\nthree"),
    ("<b>K</b>ettle", "Kettle"),
    ("<ul><li>tea</li><li>pot</li></ul>", "tea\npot"),
    ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
    ("<style>.hidden{color:red}</style><p>x</p>", "x"),
    ("<script>trackVisitor('</p>')</script><p>x</p>", "x"),
    ("<p>x</p><script>unclosed", "x"),
    ("<p>x <!-- a > comment --> y</p>", "x y"),
    ("<!-- only a comment -->", ""),
    ("<!DOCTYPE html><html><head><title>T</title><meta charset=x></head><body>B</body></html>", "T\nB"),
    ("<p>Boils fast&hellip; &eacute;&#233;&#xE9;</p>", "Boils fast… ééé"),
    ("<p>5 &lt; 6 &amp;&amp; 7 &gt; 6</p>", "5 < 6 && 7 > 6"),
    ("<p>soft&shy;hyphen</p>", "softhyphen"),
    ('<a href="https://example.org/secret" title="t">the link</a>', "the link"),
    ("<img src='a.png' alt='A red cup'> is here", "A red cup is here"),
    ("<div onclick='evil()'>text</div>", "text"),
    ("<pre>a\n  b</pre>", "a\n  b"),
    ("<p>\n   white    space\n</p>", "white space"),
    ("<svg><path d='M0'/><text>drawn</text></svg><p>x</p>", "x"),
    ("<noscript>no</noscript><p>x</p>", "x"),
    ("<iframe>f</iframe><p>x</p>", "x"),
    ("<p class=MsoNormal>Word<o:p></o:p></p>", "Word"),
    ("<my-card><p>card</p></my-card>", "card"),
    ("<P>CAPITALS</P>", "CAPITALS"),
    ("<p>Use List<String> here</p>", "Use List<String> here"),
    ("<p>broken <b>tag", "<p>broken <b>tag"),
    ("text <b>bold</b> and <https://example.org>", "text bold and <https://example.org>"),
    ("<p>\x00\x01\x02\x03text</p>", "text"),
    ("<p>&#1;&#2;x&#3;</p>", "x"),
    ("<p>emoji 😀 中文</p>", "emoji 😀 中文"),
]  # fmt: skip

ENTITIES = [
    ("Kettle &amp; cup", "Kettle & cup"),
    ("Caf&eacute; &ndash; open", "Café – open"),
    ("5&nbsp;kg", "5 kg"),
    ("&frac12; cup &times; 2 &copy; 2024", "½ cup × 2 © 2024"),
    ("&quot;quoted&quot; &#39;x&#39;", "\"quoted\" 'x'"),
]

MARKDOWN = [
    ("# Kettle\n\nBoils **fast** and *well*.", "Kettle\nBoils fast and well."),
    ("See [the manual](https://example.org/m.pdf) first", "See the manual first"),
    ("![A red cup](cup.png) for **tea**", "A red cup for tea"),
    ("- **a** one\n- b two", "a one\nb two"),
    ("```python\nif a < b:\n    run()\n```\n\nafter", "if a < b:\n    run()\nafter"),
    ("| size | price |\n|---|---:|\n| S | 5 |", "size price\nS 5"),
    ("- [x] done\n- [ ] `open`", "done\nopen"),
    ("Text[^1] with **note**\n\n# H\n\n[^1]: the note", "Text with note\nH\nthe note"),
    ("---\ntitle: Kettle\ntags:\n  - red\n---\nBody", "Kettle\nred\nBody"),
    ("**List<String>** in `Map<K, V>` is **typed**", "List<String> in Map<K, V> is typed"),
    ("# T\n\n<div>raw <b>html</b></div>\n", "T\nraw html"),
    ("# T\n\n```html\n<p>example</p>\n```\n", "T\n<p>example</p>"),
    ("[a][1] and `b`\n\n[1]: https://example.org", "a and b"),
    ("Head\n====\n\nwith **strong** and ~~old~~ words", "Head\nwith strong and old words"),
]

AS_THEY_ARE = [
    "", " ", "plain words", "a < b", "a < b and c > d", "<3", "I <3 tea & cake", "AT&T", "R&D &co", "x <y> z",
    "List<String>", "std::vector<int> v;", "Map<String, List<Integer>>", "#include <stdio.h>",
    "if (a<b && c>d) x = &y;",
    "Press <b> to begin", "<sku-123>", "<item><sku>1</sku></item>", "mail <ada@example.org>", "<https://example.org>",
    "2 * 3 * 4", "snake_case_name", "__init__ and __main__", "*", "**kwargs", "# a comment\nkey = value", "C# and F#",
    "#hashtag", "1. first", "- one item", "> quoted\n\n- a\n- b", "price | size", "a -- b", "text\n-----\nx", "[x]",
    "array[0](1)", "~/.config", "C:\\Users\\x", "50% off!", "100 &lt 200", "&y; and &int; in C", "a`b", "(c) [r] {s}",
    "line one\n\n    indented\n", "x <!-- no html --> y", "\u00e9t\u00e9 \U0001f600",
]  # fmt: skip


@pytest.mark.parametrize(("text", "plain"), [*HTML, *ENTITIES, *MARKDOWN])
def test_markup_is_read_as_text(text: str, plain: str) -> None:
    assert plain_text(text) == plain


@pytest.mark.parametrize("text", AS_THEY_ARE)
def test_what_is_no_markup_stays_as_it_is(text: str) -> None:
    assert plain_text(text) == text


@pytest.mark.parametrize("text", [plain for _, plain in (*HTML, *MARKDOWN) if "<p>" not in plain])
def test_the_text_of_markup_is_no_markup(text: str) -> None:
    assert plain_text(text) == text


@pytest.mark.parametrize(
    ("written_in", "text", "plain"),
    [
        ("text", "<p>a</p> **b** &amp;", "<p>a</p> **b** &amp;"),
        ("html", "a <b>tag", "a tag"),
        ("html", "**b** &copy;", "**b** ©"),
        ("markdown", "*one* word", "one word"),
        ("markdown", "# H", "H"),
    ],
)
def test_a_declared_format_is_not_looked_for(written_in: TextFormat, text: str, plain: str) -> None:
    assert plain_text(text, written_in) == plain


@pytest.mark.parametrize("tag", ["<div>", "<b>", "<p><b>", "<table><tr><td>", "<ul><li>", "<b></i>", "<a><a>"])
def test_ten_thousand_elements_within_each_other_keep_their_text(tag: str) -> None:
    assert plain_text(f"<p>begin</p>{tag * 10_000}end").split() == ["begin", "end"]


@pytest.mark.parametrize(
    "text", ["> " * 10_000 + "deep **x** `y`", "**x** `y`\n" + "".join(f"{'  ' * n}- a\n" for n in range(300))]
)
def test_markdown_that_is_nested_too_deeply_loses_no_word(text: str) -> None:
    assert {word for word in plain_text(text).split() if word.isalpha()} >= {"a" if "- a" in text else "deep"}


HOSTILE = [
    "<", "<b></i>", "<div>", "<p><b>x", "&amp;", "&", "&#", "<p a='", "<p a=b ", "<!--", "<![CDATA[", "<script>",
    "</p>", "<a ", "<svg>", "<pre>", "[a](", "![", "**a ", "`", "``a`", "> ", "- a\n", "# a\n\n", "* a\n  ",
    "a|b\n", "---|\n",
    "_a*", "[a]: b\n", "\\", "\n \n#", "---\n", "a: b\n", "~~~\n", "](", "[[", "<td>x", "&#x", "=\n",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("begin", ["", "<p>x</p><br>", "[a](https://b)\n\n"])
def test_hostile_texts_cost_time_in_proportion(piece: str, begin: str) -> None:
    few, many = (_cost(begin + piece * (chars // len(piece))) for chars in (4_000, 16_000))
    assert many < 10 * few + 0.02  # four times as much costs four times as long; sixteen times, if it were quadratic


def test_a_megabyte_of_angle_brackets_is_text() -> None:
    assert plain_text("<" * 1_000_000) == "<" * 1_000_000
    assert len(plain_text("<p>x</p><br>" + "<" * 1_000_000)) == 1_000_002


def _cost(text: str) -> float:
    """Seconds of this thread's processor time, whatever else runs; the least of several tries."""
    costs = []
    for _ in range(2):
        begun = time.thread_time()
        plain_text(text)
        costs.append(time.thread_time() - begun)
    return min(costs)
