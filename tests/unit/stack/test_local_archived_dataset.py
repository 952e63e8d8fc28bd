"""The datasets folder of `make run`."""

from __future__ import annotations

from pathlib import Path

from local.samples.archived_dataset import archived_dataset
from local.samples.flights import flights_dataset
from opensearch_strata.definition.consent import consent_of
from opensearch_strata.definition.files import load_definitions


def test_it_holds_the_shipped_flights_with_an_archive(tmp_path: Path) -> None:
    written = archived_dataset(tmp_path)
    found = load_definitions(tmp_path / "datasets")
    assert (found.problems, found.warnings, list(found.datasets)) == ([], [], ["flights"])
    assert found.get("flights") == written
    assert written.archive
    assert written.archive.before_delete
    assert consent_of(written).given
    assert written.model_copy(update={"archive": None}) == flights_dataset()


def test_the_shipped_flights_name_no_bucket_for_raw_days() -> None:
    """In the real S3, a bucket of that name may belong to somebody else."""
    assert flights_dataset().archive is None
