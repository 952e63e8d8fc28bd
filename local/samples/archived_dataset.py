"""The flights with an archive for their raw days: the datasets folder of `make run`.

The flights that ship with Strata have no archive, because a bucket of that name may belong to somebody else in the real
S3. This one is in the stack's S3, next to the objects that Firehose wrote.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from local.samples.flights import flights_dataset
from opensearch_strata.definition.archive import ArchiveSettings
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.loading.intake import split_s3_url

PREFIX = "raw-days/"


def archived_dataset(include: Path) -> Dataset:
    """Write the definition of the flights with an archive to `include`/datasets/, and return it."""
    shipped = flights_dataset()
    bucket, _ = split_s3_url(str(shipped.intake.source))
    dataset = shipped.model_copy(update={"archive": ArchiveSettings(bucket=bucket, prefix=PREFIX)})
    file = include / "datasets" / f"{dataset.name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(dataset.model_dump(mode="json", exclude_unset=True), sort_keys=False))
    return dataset
