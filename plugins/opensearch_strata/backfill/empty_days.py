"""Raw days that a backfill created and that no event came for: an empty day proves nothing and would never leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensearch_strata.history.raw_day import count_documents
from opensearch_strata.retention import block_writes

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def delete_if_empty(client: OpenSearch, index: str) -> bool:
    """Delete an index by its exact name if it holds no document; writes are blocked between count and deletion.

    :returns: whether it was deleted by us
    :raises Refused: the server does not block writes; it was kept
    """
    from opensearchpy import NotFoundError

    try:
        if count_documents(client, index) or not block_writes(client, index):
            return False
        if count_documents(client, index):
            client.indices.put_settings(index=index, body={"index.blocks.write": None})
            return False
        client.indices.delete(index=index, params={"allow_no_indices": "false", "expand_wildcards": "none"})
    except NotFoundError:
        return False
    return True
