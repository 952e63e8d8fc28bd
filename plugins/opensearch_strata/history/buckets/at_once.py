"""How many searches of a raw day run at the same time: as many as there are cores for, within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections.retrying import part_of, patiently
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.sections.history import MOST_SEARCHES
from opensearch_strata.errors.judging import is_known

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

LEAST_SEARCHES = 2
"""Even a single core is busier with two: one is computed while the rows of the other are written."""

_PATIENCE = 5.0  # seconds for which the question is repeated; nothing is at stake


def searches_at_once(client: OpenSearch, dataset: Dataset, shards: int) -> int:
    """The ``history.parallel`` of a dataset; by default, as many searches as the cluster has cores for.

    :param shards: number of primary shards of the raw day; a search uses a core for each
    """
    return dataset.history.parallel or usual_searches(_cores(client), shards)


def usual_searches(cores: list[int], shards: int) -> int:
    """As many searches as there are cores on the nodes that may hold the primaries, within bounds. Pure.

    :param cores: cores of each data node; empty if they are not known
    :param shards: number of primary shards of the raw day
    """
    if not cores or shards < 1:
        return LEAST_SEARCHES
    holding = min(shards, len(cores)) * min(cores)
    return max(LEAST_SEARCHES, min(holding // shards, MOST_SEARCHES))


def _cores(client: OpenSearch) -> list[int]:
    """Cores of each data node; empty if the cluster does not report them, or not to this user."""
    params = {"filter_path": "nodes.*.roles,nodes.*.os.allocated_processors"}

    def ask() -> list[int]:
        nodes: Mapping[str, Any] = part_of(client.nodes.info(metric="os", params=params), "nodes")
        holding = [node for node in nodes.values() if "data" in part_of(node, "roles")]
        return [int(part_of(node, "os", "allocated_processors")) for node in holding]

    try:
        return patiently(ask, _PATIENCE)
    except Exception as error:
        if not is_known(error):
            raise
        return []
