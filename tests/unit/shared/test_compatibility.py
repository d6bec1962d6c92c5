"""Which versions work together, and what is said where they do not."""

from __future__ import annotations

import pytest

from fleetfold_shared.compatibility import check_version, incompatibility
from fleetfold_shared.errors import InvalidInput


@pytest.mark.parametrize(
    ("node", "masters"),
    [
        ("1.4.0", "1.0"), ("1.9.3", "1.10.0rc1"), ("v2.0", "2.7.1"), ("0.3.9", "0.3.0"), ("0.3", "0.3.0.dev4+gabc.d1"),
        ("1.0.0-rc.1", "1.0.0"), ("1.2.0+local.1", "1.2"), ("1.0-1", "1.0"), ("0", "0.0.7"), ("3.0.0-0.3.7", "3.1"),
    ],
)  # fmt: skip
def test_versions_of_one_series_work_together(node: str, masters: str) -> None:
    assert incompatibility(node, masters) == incompatibility(masters, node) == ""


@pytest.mark.parametrize(
    ("node", "masters", "behind"),
    [
        ("0.2.0", "0.1.9", "the masters"), ("0.1.9", "0.2.0.dev1", "the node"), ("1.0.0", "0.9", "the masters"),
        ("1.9", "2.0rc1", "the node"), ("10.0", "9.9", "the masters"),
    ],
)  # fmt: skip
def test_versions_of_two_series_do_not_and_the_older_side_is_to_be_upgraded(
    node: str, masters: str, behind: str
) -> None:
    why = incompatibility(node, masters)
    assert f"the node runs fleetfold {node}, the masters {masters}: " in why
    assert why.endswith(f"upgrade {behind}")


def test_before_one_the_minor_version_counts_as_the_major() -> None:
    assert "their minor versions must be the same" in incompatibility("0.2.0", "0.1.0")
    assert "their major versions must be the same" in incompatibility("1.0.0", "0.1.0")


@pytest.mark.parametrize("text", ["", "latest", "1..2", "1.2.", "1.2-", "one.two", "1" * 65, "²", "1.0 beta"])
def test_what_is_no_version_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInput, match="no version, such as") as refused:
        check_version(text)
    assert refused.value.field == "version"
