"""The index of the documentation lists every page, and the first page leads to the index."""

from __future__ import annotations

from support.pages import ROOT, links, pages

DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"


def test_the_index_lists_every_page() -> None:
    listed = {(DOCS / link).resolve() for link in links(INDEX)}
    written = {page for page in pages() if DOCS in page.parents and page != INDEX}
    decisions = {page for page in written if page.parent.name == "decisions" and page.name != "README.md"}
    assert written - decisions <= listed


def test_the_first_page_leads_to_the_index() -> None:
    assert "docs/README.md" in links(ROOT / "README.md")
