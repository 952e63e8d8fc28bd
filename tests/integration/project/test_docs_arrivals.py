"""The page on new objects, followed as it is printed: its dataset, its queue, its notifications, its commands."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from configparser import ConfigParser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from opensearchpy import OpenSearch
from typer.testing import CliRunner

from local.places import PROJECT
from local.samples.cloudwatch import data_record, log_event, object_key
from opensearch_strata.archive.arrivals.drain import DrainLimits
from opensearch_strata.cli.app import app
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.workflows.arrivals.arrivals import Arrivals, Clients
from tests.archives import forget_ledger
from tests.shell import ENVIRONMENT
from tests.streams import delete_indices
from tests.unit.project.test_docs import BLOCK

PAGE = (PROJECT / "docs" / "arrivals.md").read_text()
BLOCKS = [(match[1], match[3]) for match in BLOCK.finditer(PAGE)]
QUEUE, NOTIFY = (json.loads(text) for kind, text in BLOCKS if kind == "json")
(DEFINITION,) = (text for kind, text in BLOCKS if kind == "yaml")
BUCKET, HERE = "company-logs", "us-east-1"


def here(text: str) -> str:
    """The same in the region of the emulator, and in its account."""
    return text.replace("eu-west-1", HERE)


@pytest.fixture
def dataset(s3: Any, sqs: Any) -> Iterator[Dataset]:
    """The page's dataset, with its queue and its bucket as the page makes them."""
    policy = json.loads(QUEUE["RedrivePolicy"])
    letters = sqs.create_queue(QueueName=policy["deadLetterTargetArn"].rpartition(":")[2])["QueueUrl"]
    made = Dataset.model_validate(yaml.safe_load(here(DEFINITION)))
    name = str(made.intake.queue).rpartition(":")[2]
    queue = sqs.create_queue(QueueName=name, Attributes={key: here(value) for key, value in QUEUE.items()})["QueueUrl"]
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration=json.loads(here(json.dumps(NOTIFY)))
    )
    yield made
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for found in page.get("Contents", []):
            s3.delete_object(Bucket=BUCKET, Key=found["Key"])
    s3.delete_bucket(Bucket=BUCKET)
    for url in (queue, letters):
        sqs.delete_queue(QueueUrl=url)


def test_the_page_works_as_printed(
    dataset: Dataset, client: OpenSearch, opensearch_url: str, s3: Any, sqs: Any, tmp_path: Path, aws: None
) -> None:
    now = datetime.now(UTC) - timedelta(minutes=10)
    messages = [json.dumps({"level": "INFO", "total": number}) for number in range(20)]
    moment = int(now.timestamp() * 1000)
    body = data_record("/app/orders", "x", [log_event(n, moment + n, text) for n, text in enumerate(messages)])
    s3.put_object(Bucket=BUCKET, Key=object_key("orders/", "orders", now), Body=body)
    s3.put_object(Bucket=BUCKET, Key="elsewhere/x", Body=b"x")  # the filter of the page keeps it away
    clients = Clients(opensearch=lambda _: client, s3=lambda _: s3, sqs=lambda _: sqs)
    try:
        drained = Arrivals(dataset, [dataset], clients).drain("docs", DrainLimits(60, 0))
        assert (drained.messages, drained.counts.created, drained.deleted) == (2, 20, 2)
        assert drained.aside == {"other_event": 1}  # S3's test event
        (tmp_path / "datasets").mkdir()
        (tmp_path / "datasets" / "orders.yaml").write_text(here(DEFINITION), "utf-8")
        env = {**dict.fromkeys(ENVIRONMENT), "OPENSEARCH_URL": opensearch_url, "STRATA_INCLUDE_DIR": str(tmp_path)}
        typed = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines() if "arrivals" in line]
        assert len(typed) == 2
        for command in typed:
            command = re.sub(r"--day \S+", f"--day {now:%Y-%m-%d}", command)
            result = CliRunner(env=env).invoke(app, shlex.split(command)[1:])
            assert result.exit_code == 0, result.output
    finally:
        delete_indices(client, "orders-*")
        forget_ledger(client, "orders")


def test_the_unit_is_one_that_systemd_reads_and_gives_it_the_time_it_needs() -> None:
    (unit,) = (text for kind, text in BLOCKS if kind == "ini")
    read = ConfigParser(interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string(unit)
    assert read["Service"]["ExecStart"].endswith("strata follow orders")
    assert int(read["Service"]["TimeoutStopSec"]) >= 30


def test_the_permissions_on_the_pages_are_those_of_the_requests_that_are_sent() -> None:
    code = (PROJECT / "plugins/opensearch_strata/archive/arrivals/queue.py").read_text()
    called = {"".join(part.title() for part in name.split("_")) for name in re.findall(r"self\._sqs\.([a-z_]+)", code)}
    sent = {f"sqs:{name.removesuffix('Batch')}" for name in called}
    for page in (PAGE, (PROJECT / "docs" / "operations.md").read_text()):
        assert set(re.findall(r"sqs:[A-Z]\w+", page)) - {"sqs:SendMessage"} == sent
