"""Deletes raw days that a backfill created but that received no events: an empty day cannot be proven, so it would
stay for good.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.targets import loading_settings, under_load
from opensearch_strata.connections import decisive
from opensearch_strata.connections.deleting import delete_index
from opensearch_strata.connections.retrying import patiently
from opensearch_strata.errors import StrataError
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.raw_day.hold import allow_writes, block_writes

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset

_PATIENCE = 30.0  # seconds

_log = logging.getLogger(__name__)


def end_load(client: OpenSearch, ledger: Ledger, dataset: Dataset, owner: str, process: str = "") -> list[str]:
    """Put in order the raw days that an owner loaded into, and those that dead loaders left behind.

    Days that a load created and that stayed empty are deleted, if nobody else is registered for them; the others get
    their settings back. A day that cannot be deleted now stays as it is; the next run tries again.

    :returns: the raw days that were deleted
    :raises Refused: the settings of a day cannot be restored now; the next run does it
    """
    from opensearchpy import OpenSearchException

    if ledger.index.serverless:
        return []
    _, made = loading_settings.to_be_ended(client, ledger, dataset, owner, process)
    deleted, unfinished = [], []
    for index in sorted(made):
        try:
            if delete_if_empty(client, index, partial(under_load.confirm_alone, ledger, index, owner)):
                deleted.append(index)
        except (StrataError, OpenSearchException) as error:
            _log.warning(
                "%s may be empty and could not be deleted; the next backfill will try again. %s", index, explain(error)
            )
            unfinished.append(index)
    loading_settings.restore(client, ledger, dataset, owner, process, unfinished)
    return deleted


def given_back_later(error: Exception) -> str:
    """What to report when :func:`end_load` fails in addition to a failure that is reported separately."""
    return f"The next run will restore the settings of the raw days. {explain(error)}"


def delete_if_empty(client: OpenSearch, index: str, is_ours_alone: Callable[[], bool]) -> bool:
    """Delete an index by its exact name if it holds no documents; writes are blocked between count and deletion.

    If the index is not deleted after all, the block is lifted again.

    :param is_ours_alone: whether nobody else loads into it; checked before the block, and again under the block
    :returns: whether this call deleted it
    :raises Refused: the server does not block writes, or another run holds it read-only; it was kept
    :raises TransientError: the server did not confirm the deletion
    """
    from opensearchpy import NotFoundError

    blocked = False
    try:
        if not _is_empty(client, index) or not is_ours_alone():
            return False
        blocked = block_writes(client, index)
        if not blocked or not _is_empty(client, index) or not is_ours_alone():
            return False
        delete_index(client, index)
        blocked = False
    except NotFoundError:
        return False
    finally:
        if blocked:
            allow_writes(client, index)
    return True


def _is_empty(client: OpenSearch, index: str) -> bool:
    """Whether neither searches nor the primary shards themselves report any documents."""

    def nothing() -> bool:
        return decisive.count(client, index) == 0 and decisive.primaries(client, index).documents == 0

    return patiently(nothing, _PATIENCE)
