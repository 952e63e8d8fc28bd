"""A raw day of the reference workload, and the bucket to which it is archived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from benchmarks.material.day_export import day_export
from benchmarks.material.emulated_s3 import BUCKET
from benchmarks.material.workload import BenchmarkError, Workload
from opensearch_strata.archive.export.day import DayExport
from opensearch_strata.archive.store.manifest import Archived
from opensearch_strata.connections import decisive
from opensearch_strata.definition.archive import ArchiveSettings
from opensearch_strata.errors.amounts import counted


@dataclass(frozen=True)
class BenchDay:
    """A raw day, and where its objects go.

    :param workload: has this one day
    :param s3: client of the bucket
    :param folder: prefix of the archive in the bucket
    """

    workload: Workload
    s3: Any
    folder: str = "export/"

    @property
    def index(self) -> str:
        """Name of the raw day."""
        return self.workload.dataset.raw_index(self.workload.days[0])

    @property
    def settings(self) -> ArchiveSettings:
        """The settings of its archive: the defaults."""
        return ArchiveSettings.model_validate({"bucket": BUCKET, "prefix": self.folder})

    @cached_property
    def primaries(self) -> decisive.Primaries:
        """The raw day as it was when this was asked first."""
        return decisive.primaries(self.workload.client, self.index)

    @property
    def documents(self) -> int:
        """Number of its documents."""
        return self.primaries.documents

    def load(self) -> None:
        """Write the raw day."""
        for _ in self.workload.load():
            pass

    def export(self) -> DayExport:
        """The export of the day."""
        workload = self.workload
        return day_export(workload.client, self.s3, workload.dataset, self.settings, workload.days[0], self.primaries)

    def clear(self) -> None:
        """Remove all objects of its archive."""
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=self.folder):
            for found in page.get("Contents", []):
                self.s3.delete_object(Bucket=BUCKET, Key=found["Key"])

    def keep(self) -> tuple[BenchDay, Sequence[Archived]]:
        """Export the day to a folder that nothing clears: the day with this folder, and the objects."""
        kept = replace(self, folder=f"kept/{self.index}/")
        return kept, kept.export().write()

    def require(self, documents: int, side: str) -> None:
        """Stop a run whose figures would be meaningless.

        :param documents: that a side has read
        :param side: its name
        :raises BenchmarkError: they are not all documents of the day
        """
        if documents != self.documents:
            raise BenchmarkError(
                f"{side} read {counted(documents, 'document')} of {self.index}, which contains {self.documents:,}: the "
                f"sides do not do the same work, so nothing was measured."
            )
