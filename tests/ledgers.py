"""Ledgers for tests: an index of their own on the shared node, and places to fill them with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from opensearchpy import OpenSearch

from opensearch_strata.archive.events import Place


@contextmanager
def ledger_index(client: OpenSearch) -> Iterator[str]:
    """A name for a ledger that is not there yet; index and template are deleted at the end."""
    name = f"test-ledger-{uuid4().hex[:8]}"
    try:
        yield name
    finally:
        client.indices.delete(index=name, params={"ignore_unavailable": "true"})
        client.indices.delete_index_template(name=name, ignore=404)


def place(number: int = 0, etag: str = "e1") -> Place:
    """An object by number."""
    return Place("archive", f"logs/2024/05/06/{number:05d}.gz", etag)
