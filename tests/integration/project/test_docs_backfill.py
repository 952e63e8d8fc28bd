"""The page on a first backfill, followed as it is printed: its dataset, its commands, its verdict."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch
from typer.testing import CliRunner, Result

from local.places import PROJECT
from local.samples.cloudwatch import data_record, log_event, object_key
from opensearch_strata.cli.app import app
from tests.archives import forget_ledger
from tests.shell import ENVIRONMENT
from tests.streams import delete_indices
from tests.unit.project.test_docs import BLOCK

PAGE = (PROJECT / "docs" / "backfill.md").read_text()
BLOCKS = [(match[1], match[3]) for match in BLOCK.finditer(PAGE)]
COMMANDS = [line.rpartition("| ")[2] for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
FIRST, DAYS, EVENTS = date(2025, 3, 1), 31, 1440
MINUTES = DAYS * 24 * 60 // EVENTS


@pytest.fixture
def logs(s3: Any) -> Iterator[bytes]:
    """A month of a function's log, as Firehose leaves it where the page says; the bytes of one object."""
    s3.create_bucket(Bucket="company-logs")
    start = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
    keys = []
    for first in range(0, EVENTS, 48):
        moments = [start + timedelta(minutes=MINUTES * number) for number in range(first, first + 48)]
        events = [log_event(first + n, int(moment.timestamp() * 1000), message(n)) for n, moment in enumerate(moments)]
        body = data_record("/aws/lambda/orders", "2025/03/[$LATEST]0a1b", events)
        keys.append(object_key("orders/", "orders", moments[-1]))
        s3.put_object(Bucket="company-logs", Key=keys[-1], Body=body)
    yield body
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="company-logs"):
        for found in page.get("Contents", []):
            s3.delete_object(Bucket="company-logs", Key=found["Key"])
    s3.delete_bucket(Bucket="company-logs")


def message(number: int) -> str:
    """A line of a Lambda function: what the platform says, or the function itself."""
    request = f"79b4f56e-95b1-4643-9700-{number:012d}"
    if number % 2:
        return json.dumps({"level": "INFO", "message": "order taken", "request_id": request, "total": 12.5})
    return (
        f"REPORT RequestId: {request}\tDuration: {1.5 * number:.2f} ms\tBilled Duration: {2 * number} ms\t"
        "Memory Size: 128 MB\tMax Memory Used: 67 MB\t\n"
    )


def rows_of(text: str, indent: str = "") -> list[str]:
    """Names of the rows of a plan that a text shows."""
    return re.findall(rf"^{indent}\| ([a-z][a-z ,]*?) +\| [^|]*\|$", text, re.MULTILINE)


@pytest.fixture
def strata(client: OpenSearch, opensearch_url: str, tmp_path: Path, aws: None) -> Iterator[Callable[..., Result]]:
    """Type a command as it is printed."""
    (tmp_path / "datasets").mkdir()
    (definition,) = (text for kind, text in BLOCKS if kind == "yaml")
    (tmp_path / "datasets" / "orders.yaml").write_text(definition, "utf-8")
    env = {**dict.fromkeys(ENVIRONMENT), "OPENSEARCH_URL": opensearch_url, "STRATA_INCLUDE_DIR": str(tmp_path)}

    def typed(command: str, **streams: Any) -> Result:
        result = CliRunner(env=env).invoke(app, shlex.split(command)[1:], **streams)
        assert result.exit_code == 0, (command, result.output)
        return result

    yield typed
    delete_indices(client, "orders-*")
    forget_ledger(client, "orders")


def test_the_page_works_as_printed(logs: bytes, strata: Callable[..., Result], client: OpenSearch) -> None:
    typed = [command for command in COMMANDS if command.startswith("strata ")]
    check, parse, plan, load, redrive, redrive_apply = typed
    assert "Valid datasets: orders" in strata(check).stdout
    parsed = strata(parse, input=logs).output
    assert all(line in PAGE for line in parsed.splitlines()), parsed
    planned = strata(plan).stdout
    assert rows_of(planned) == rows_of(PAGE, indent=" {4}")
    (verdict,) = re.findall(r"^ {4}(Proven: .*)$", PAGE, re.MULTILINE)
    assert strata(load).stdout.splitlines()[-1] == verdict
    found = client.count(index="orders-2025.03.*")["count"]
    assert found == EVENTS
    for command in (redrive, redrive_apply):
        assert "There are no dead letters of orders" in strata(command).stdout
