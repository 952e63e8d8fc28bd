"""The block that the server sets on raw days of a full disk, lifted while one of them is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from opensearch_strata.connections import decisive
from opensearch_strata.errors import StrataError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.history.raw_day.inspection import RawDay

FULL_DISK = "read_only_allow_delete"
"""The block that the server itself sets on all indices of a node whose disk is full."""


@contextmanager
def past_full_disk(client: OpenSearch, raw: RawDay) -> Iterator[None]:
    """Lift the block of a full disk from a raw day that is to be deleted, because it prevents holding the day.

    If the day is kept, the block is set again. A deletion that relied on this block instead of a hold would race with
    the server, which may lift the block at any moment. A write before the day is held changes its sequence numbers, so
    the day is kept.
    https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/cluster-settings/ (``flood_stage``)

    :param raw: the raw day as it was inspected
    """
    from opensearchpy import OpenSearchException

    if FULL_DISK not in raw.blocked:
        yield
        return
    client.indices.put_settings(index=raw.index, body={f"index.blocks.{FULL_DISK}": None})
    try:
        yield
    except BaseException:
        with suppress(StrataError, OpenSearchException):  # the server would also set it again, but later
            if decisive.uuid_of(client, raw.index) == raw.uuid:
                client.indices.put_settings(index=raw.index, body={f"index.blocks.{FULL_DISK}": True})
        raise
