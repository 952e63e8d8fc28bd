"""Brings sample data into the stack: written to S3 as Firehose does, loaded and restored by `archive_backfill`."""

from __future__ import annotations

import logging
import time
from datetime import date
from typing import Any

import boto3
from opensearchpy import OpenSearch

from local.airflow.api import AirflowApi
from local.airflow.dag_runs import run_dag
from local.samples.firehose import Written, write_flights
from local.samples.flights import flights_dataset, index_template
from local.stack import Stack
from opensearch_strata.definition.loading.intake import split_s3_url
from opensearch_strata.definition.loading.restore_request import ARCHIVE_SOURCE

log = logging.getLogger(__name__)


def archive_flights(stack: Stack, first: date, last: date) -> Written:
    """Write the flights of these days to the stack's S3 as soon as it is ready."""
    stack.wait_until_ready("aws")
    began = time.monotonic()
    s3 = s3_client(stack)
    bucket, prefix = split_s3_url(str(flights_dataset().intake.source))
    s3.create_bucket(Bucket=bucket)
    written = write_flights(s3, bucket, prefix, first, last)
    log.info(
        "Wrote %s events in %s objects to s3://%s/%s in %.0f s: %s late, %s delivered twice, %s control messages",
        f"{written.events:,}",
        written.objects,
        bucket,
        prefix,
        time.monotonic() - began,
        written.late,
        written.duplicates,
        written.control,
    )
    return written


def has_archive(stack: Stack) -> bool:
    """Whether the stack's S3 already has the bucket of the flights."""
    bucket, _ = split_s3_url(str(flights_dataset().intake.source))
    return any(found["Name"] == bucket for found in s3_client(stack).list_buckets()["Buckets"])


def backfill_flights(stack: Stack, client: OpenSearch, airflow: AirflowApi, first: date, last: date) -> None:
    """Load these days with the DAG. Raises StackError if it fails."""
    client.indices.put_index_template(name="flights", body=index_template())
    conf = {"dataset": flights_dataset().name, "from_day": f"{first}", "to_day": f"{last}", "dry_run": False}
    run_dag(stack, airflow, "archive_backfill", None, conf)


def restore_flights(stack: Stack, airflow: AirflowApi, day: date, keep_days: int) -> None:
    """Restore an archived raw day with the DAG, for a number of days. Raises StackError if it fails."""
    conf = {"dataset": flights_dataset().name, "source": ARCHIVE_SOURCE, "from_day": f"{day}", "to_day": f"{day}"}
    run_dag(stack, airflow, "archive_backfill", None, {**conf, "keep_until": keep_days, "dry_run": False})


def s3_client(stack: Stack) -> Any:
    """A boto3 client of the stack's S3."""
    return boto3.client(
        "s3",
        endpoint_url=stack.aws_url,
        region_name="us-east-1",
        aws_access_key_id="embedded",
        aws_secret_access_key="embedded",
    )
