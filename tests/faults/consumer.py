"""Consumers in processes of their own, to be killed at any request to OpenSearch, S3 or SQS."""

from __future__ import annotations

import os
from typing import Any

from opensearch_strata.archive.arrivals import queue
from opensearch_strata.archive.arrivals.drain import DrainLimits
from opensearch_strata.archive.arrivals.inbox import InboxLimits
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.store.objects import build_s3
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.workflows.arrivals.arrivals import Arrivals, Clients
from tests.faults.deaths import die_after


def consume(job: dict[str, Any], last: int) -> None:
    """Pass over a queue; dies by SIGKILL when it would send one request more.

    :param job: JSON
    :param last: number of requests that it sends, to whichever service
    """
    os.environ.update(job["environment"])
    queue._LEAST_VISIBILITY = 1
    client = build_client(ClientSettings.from_url(job["url"]))
    s3, sqs = build_s3(), queue.build_sqs(job["queue"])
    die_after(last, client, s3, sqs)
    dataset = Dataset.model_validate(job["dataset"])
    clients = Clients(opensearch=lambda _: client, s3=lambda _: s3, sqs=lambda _: sqs)
    arrivals = Arrivals(dataset, [dataset], clients)
    arrivals.drain(
        f"consumer-{os.getpid()}",
        DrainLimits(60, 0),
        settings=LoadSettings(**job["settings"]),
        inbox=InboxLimits(poll=1),
    )
