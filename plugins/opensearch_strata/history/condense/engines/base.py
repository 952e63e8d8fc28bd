"""What an engine reports, and which engine a cluster can use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from opensearch_strata.definition.dataset import Dataset, EngineName
from opensearch_strata.history.raw_day.inspection import RawDay, absent_key_fields

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Engine = Literal["transform_job", "search"]

OnDocuments = Callable[[int], None]
"""Called after each step with the number of raw documents that it condensed."""


@dataclass(frozen=True)
class EngineRun:
    """One pass of an engine over a raw day.

    :param documents: how many raw documents were processed, as the engine counted them
    :param rows: how many rows were written, new or overwritten
    :param search_seconds: time spent in searches, summed over parallel ones
    :param index_seconds: time spent writing rows
    """

    engine: Engine
    documents: int
    rows: int
    search_seconds: float
    index_seconds: float


def choose_engine(client: OpenSearch, dataset: Dataset, raw: RawDay, wanted: EngineName | None = None) -> Engine:
    """The engine to use: the wanted one, otherwise the dataset's; ``auto`` asks the cluster.

    :param raw: the day; a transform job does not accept an index whose mapping lacks a group field, so ``auto`` chooses
        the search engine for it
    :param wanted: overrides the dataset's engine
    """
    name = wanted or dataset.engine
    if name != "auto":
        return name
    if absent_key_fields(dataset, raw) or not _has_transforms(client, dataset):
        return "search"
    return "transform_job"


def _has_transforms(client: OpenSearch, dataset: Dataset) -> bool:
    """Whether the cluster has transforms. Asks the transform API, because listing plugins needs another permission."""
    from opensearchpy import RequestError

    try:
        client.plugins.transforms.explain(id=f"strata-{dataset.name}-0000.00.00")
    except RequestError as error:
        if "no handler found" in str(error.info):
            return False
        if "missing system index" in str(error.info):  # the plugin exists, but no job was ever created
            return True
        raise
    return True
