"""What a task reads and writes, for OpenLineage, where ``apache-airflow-providers-openlineage`` is installed.

All raw days of a dataset are one dataset of OpenLineage, named by their index pattern, and so are all history months:
its consumers want one box with a line to the next, not a box for each day.
https://openlineage.io/docs/spec/naming
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from opensearch_strata.definition.loading.intake import split_s3_url
from opensearch_strata.definition.loading.restore_request import ARCHIVE_SOURCE

if TYPE_CHECKING:
    from opensearch_strata.definition.dataset import Dataset

Part = Literal["raw", "history", "archive", "copy", "source", "dead_letters"]
"""What a task may read or write of a dataset: raw days, rows, archived days, the second copy of the rows in S3, the
objects that it loads, and those that it could not load."""


class Place(NamedTuple):
    """A dataset as OpenLineage names it."""

    namespace: str
    name: str


def places(dataset: Dataset, opensearch_url: str, parts: Sequence[Part], source: str | None = None) -> list[Place]:
    """Where parts of a dataset are; those that it does not have are left out.

    :param dataset: the definition
    :param opensearch_url: without credentials
    :param parts: which ones
    :param source: ``s3://bucket/prefix/`` or ``archive``, instead of the source of the dataset
    """
    known = _known(dataset, opensearch_url, source)
    return [place for part in parts if (place := known[part]())]


def facets(
    dataset: Dataset, opensearch_url: str, reads: Sequence[Part], writes: Sequence[Part], source: str | None
) -> Any:
    """What OpenLineage's provider wants to know of a task: an ``OperatorLineage``.

    :raises ImportError: the provider is not installed
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset as Box
    from airflow.providers.openlineage.extractors import OperatorLineage

    sides = (places(dataset, opensearch_url, parts, source) for parts in (reads, writes))
    inputs, outputs = ([Box(namespace=place.namespace, name=place.name) for place in side] for side in sides)
    return OperatorLineage(inputs=inputs, outputs=outputs)


def _known(dataset: Dataset, opensearch_url: str, source: str | None) -> Mapping[Part, Callable[[], Place | None]]:
    from opensearch_strata.archive.redrive import dead_letters_of

    node, archive = urlsplit(opensearch_url), dataset.archive
    cluster = f"opensearch://{node.hostname}:{node.port or (443 if node.scheme == 'https' else 80)}"
    archived = archive.url if archive else None
    loaded = archived if source == ARCHIVE_SOURCE else source or dataset.intake.source
    return {
        "raw": lambda: Place(cluster, dataset.raw.names.expression),
        "history": lambda: Place(cluster, dataset.history.names.expression),
        "archive": lambda: _in_s3(archived),
        "copy": lambda: _in_s3(f"s3://{archive.bucket}/{archive.history_root}" if archive else None),
        "source": lambda: _in_s3(loaded),
        "dead_letters": lambda: _in_s3(dead_letters_of(dataset, source)),
    }


def _in_s3(url: str | None) -> Place | None:
    if url is None:
        return None
    bucket, prefix = split_s3_url(url)
    return Place(f"s3://{bucket}", prefix.rstrip("/") or "/")
