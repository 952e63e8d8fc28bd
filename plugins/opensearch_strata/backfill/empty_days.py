"""Raw days that a backfill created and that no event came for: an empty day proves nothing and would never leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensearch_strata import decisive
from opensearch_strata.retention import allow_writes, block_writes, delete_index

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def delete_if_empty(client: OpenSearch, index: str) -> bool:
    """Delete an index by its exact name if it holds no document; writes are blocked between count and deletion.

    Whatever keeps it from being deleted lifts the block again.

    :returns: whether it was deleted by us
    :raises Refused: the server does not block writes, or another run holds it read-only; it was kept
    :raises TransientError: the server did not confirm the deletion
    """
    from opensearchpy import NotFoundError

    blocked = False
    try:
        if decisive.count(client, index):
            return False
        blocked = block_writes(client, index)
        if not blocked or decisive.count(client, index):
            return False
        delete_index(client, index)
        blocked = False
    except NotFoundError:
        return False
    finally:
        if blocked:
            allow_writes(client, index)
    return True
