"""Deleting an index, in the one way in which Strata does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensearch_strata.errors import Refused, TransientError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def delete_index(client: OpenSearch, index: str) -> None:
    """Delete an index by its exact name, never by an alias or a pattern.

    :param index: its name
    :raises Refused: somebody holds it read-only; it was kept
    :raises TransientError: the server did not confirm the deletion
    """
    from opensearchpy import AuthorizationException

    try:
        answer = client.indices.delete(index=index, params={"allow_no_indices": "false", "expand_wildcards": "none"})
    except AuthorizationException as error:
        if "cluster_block_exception" not in str(error.error):
            raise
        raise Refused(
            f"{index} was kept: somebody holds it read-only. Run again once its index.blocks.read_only is lifted."
        ) from None
    if not answer["acknowledged"]:
        raise TransientError(f"The server did not confirm that {index} is deleted ({answer}); run again to check.")
