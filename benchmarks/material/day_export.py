"""The export that is measured. Imports nothing that a worker does not need anyway."""

from __future__ import annotations

from datetime import date
from typing import Any

from opensearchpy import OpenSearch

from opensearch_strata.archive.export.day import DayExport
from opensearch_strata.archive.export.source_index import source_index
from opensearch_strata.connections.decisive import Primaries
from opensearch_strata.definition.archive import ArchiveSettings
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.workflows.archiving import alike_field


def day_export(
    client: OpenSearch, s3: Any, dataset: Dataset, settings: ArchiveSettings, day: date, primaries: Primaries
) -> DayExport:
    """The export of a raw day, as `strata archive` makes it.

    :param s3: client of the archive's bucket
    :param settings: where the archive is
    :param primaries: the raw day as it is
    """
    index = dataset.raw_index(day)
    return DayExport(
        client=client,
        s3=s3,
        settings=settings,
        source=source_index(client, index, primaries.sequence),
        timestamp=dataset.raw.timestamp,
        documents=primaries.documents,
        folder=settings.folder(day),
        attempt="bench",
        alike=alike_field(dataset),
    )
