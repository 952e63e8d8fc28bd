"""The days of `make run` on their way through the DAGs: loaded, condensed, archived, deleted, and restored the same."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from opensearchpy import OpenSearch
from rich.console import Console

from local.samples.archived_dataset import archived_dataset
from local.samples.demo import CYCLES, EXPIRED, KEEP_DAYS, RESTORED, archives_of, show_restored
from local.samples.firehose import write_flights
from local.samples.flights import index_template
from local.samples.raw_day import read_raw_day
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.loading.intake import split_s3_url
from tests.archives import forget_ledger
from tests.dags.conftest import RunDag
from tests.readme import assert_printed_as_shown
from tests.streams import delete_indices


@pytest.fixture
def flights(include: Path, client: OpenSearch, s3: Any) -> Iterator[Dataset]:
    """The dataset of `make run`, with its first and last three days in S3."""
    with patch.dict(os.environ):
        del os.environ["STRATA_INCLUDE_DIR"]  # the flights that ship with Strata
        dataset = archived_dataset(include)
    bucket, prefix = split_s3_url(str(dataset.intake.source))
    s3.create_bucket(Bucket=bucket)
    for days in (EXPIRED, CYCLES):
        write_flights(s3, bucket, prefix, days[0], days[-1])
    client.indices.put_index_template(name="flights", body=index_template())
    yield dataset
    client.indices.delete_index_template(name="flights")
    delete_indices(client, "flights-*")
    forget_ledger(client, dataset.name)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": one["Key"]} for one in page["Contents"]]})
    s3.delete_bucket(Bucket=bucket)


@pytest.mark.long
def test_a_day_of_the_demo_comes_back_the_same(
    flights: Dataset, run_backfill: RunDag, run_dag: RunDag, client: OpenSearch, opensearch_url: str, s3: Any
) -> None:
    for days in (EXPIRED, CYCLES):
        load = run_backfill(flights, from_day=str(days[0]), to_day=str(days[-1]), dry_run=False)
        assert load.state == "success"
    raw_days = {day: read_raw_day(opensearch_url, flights.raw_index(day)) for day in EXPIRED}
    for day, gone in zip(CYCLES, EXPIRED, strict=True):
        run = run_dag(flights, day=str(day), dry_run=False)
        assert run.state == "success"
        assert run.result("report")["deleted"] == [flights.raw_index(gone)]
    archives = archives_of(s3, flights, raw_days)
    asked = {"source": "archive", "from_day": str(RESTORED), "to_day": str(RESTORED), "keep_until": KEEP_DAYS}
    assert run_backfill(flights, **asked, dry_run=False).state == "success"
    printed = io.StringIO()
    console = Console(file=printed, width=130)
    show_restored(console, opensearch_url, client, flights, raw_days[RESTORED], archives)
    assert_printed_as_shown(printed.getvalue(), since="Archived and deleted")
