"""No part of the package makes a request that decides something by itself, past what a decision needs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.places import PROJECT

PACKAGE = PROJECT / "plugins" / "opensearch_strata"

DECIDING = {
    "search",
    "msearch",
    "count",
    "mget",
    "get_source",
    "refresh",
    "flush",
    "stats",
    "delete_by_query",
    "create_pit",
}
"""Calls of opensearch-py whose answers may come from a replica that lags, or only in part."""

BY_OTHER_MEANS = {
    ("archive/ledger/index.py", "mget"): "on Serverless, which has no primaries to name",
    ("archive/ledger/index.py", "search"): "on Serverless, which has no primaries to name and no account of shards",
    ("archive/targets/raw_indices.py", "msearch"): "on Serverless, which has no primaries to name",
    ("archive/targets/raw_indices.py", "mget"): "on Serverless, which has no primaries to name",
    ("archive/export/source_index.py", "stats"): "how large documents are, about: an estimate for the size of pages",
    ("archive/targets/disk.py", "stats"): "of the nodes' disks, an estimate",
    ("history/verify/coverage.py", "stats"): "sizes that are shown",
}
"""What decides nothing, or cannot be asked so: why."""


def _calls(tree: ast.AST) -> Iterator[str]:
    """Names of the methods of a client that a module calls or hands on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in DECIDING and _is_client(node.value):
            yield node.attr


def _is_client(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        if node.attr in ("client", "_client"):
            return True
        node = node.value
    return isinstance(node, ast.Name) and (node.id in ("client", "indices"))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_request_that_decides_goes_through_one_place(path: Path) -> None:
    if path.parent == PACKAGE / "connections" / "decisive":
        return
    name = str(path.relative_to(PACKAGE))
    found = {(name, call) for call in _calls(ast.parse(path.read_text("utf-8")))}
    assert found <= BY_OTHER_MEANS.keys(), f"{name} asks by itself; use opensearch_strata.connections.decisive"


def test_the_check_sees_a_request() -> None:
    seen = list(_calls(ast.parse("client.search(index='x')\nself._client.indices.refresh(index='x')\nother.count(1)")))
    assert seen == ["search", "refresh"]
