"""Checks before a raw day is deleted that the rows of its month would survive whatever the raw day would survive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensearch_strata.connections import decisive
from opensearch_strata.connections.safe_settings import MONTH, weaker
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused
from opensearch_strata.errors.amounts import counted
from opensearch_strata.history.month.index import mend_settings
from opensearch_strata.history.raw_day.inspection import RawDay

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def require_durable(client: OpenSearch, dataset: Dataset, raw: RawDay) -> None:
    """Flush the rows of a raw day's month to disk, and make sure that there are enough copies of them.

    :param raw: the raw day that is to be deleted
    :raises Refused: the month has weaker settings that cannot be changed, or fewer live copies than required
    :raises TransientError: a shard did not answer
    :raises NotFoundError: the month or the raw day is gone
    """
    month = dataset.month_index(raw.day)
    settings = client.indices.get_settings(index=month, params={"flat_settings": "true"})[month]["settings"]
    if missing := weaker(settings, MONTH):
        mend_settings(client, month, missing)
    decisive.flush(client, month)
    require_copies(client, dataset, raw)


def require_copies(client: OpenSearch, dataset: Dataset, raw: RawDay) -> None:
    """Make sure that there are enough copies of a raw day's month. Changes nothing.

    :param raw: the raw day that is to be deleted
    :raises Refused: it has fewer live copies than required
    :raises TransientError: the cluster did not report the state of its shards
    """
    month = dataset.month_index(raw.day)
    live, configured = decisive.live_copies(client, month)
    raw_live, _ = decisive.live_copies(client, raw.index)
    demanded = dataset.cycle.history_copies or max(configured, *raw_live)
    if min(live) < demanded:
        raise Refused(too_few_copies(raw.index, month, live, demanded))


def too_few_copies(index: str, month: str, live: list[int], demanded: int) -> str:
    """Sentence for a month that is held by fewer nodes than a deletion requires. Pure.

    :param live: live copies of each shard of the month
    """
    shard = live.index(min(live))
    return (
        f"{index} was kept: shard {shard} of {month} has {counted(live[shard], 'live copy', 'live copies')}, but a "
        f"deletion requires {demanded} (all that the month should have, and no fewer than the raw day has). Add nodes, "
        f"set history.replicas to what the cluster can hold, or set cycle.history_copies to the number that is enough."
    )
