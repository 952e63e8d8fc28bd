"""What the pages ask: the definitions and, through the connections that they name, OpenSearch, S3 and queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from opensearch_strata.definition.files import Definitions, datasets_dir, load_definitions

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.airflow.ui.explore.answered import Answered
    from opensearch_strata.airflow.ui.explore.asked import Asked
    from opensearch_strata.archive.arrivals.queue import QueueState
    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.workflows.overview.loads import Loads
    from opensearch_strata.workflows.overview.one_day import OneDay
    from opensearch_strata.workflows.overview.overview import Overview

_ANSWER_WITHIN = 5.0  # seconds for one request; a page does not wait for a second try
CYCLE = "_daily_cycle"
"""How the id of a dataset's DAG ends."""


def dag_id_of(name: str) -> str:
    """Id of the DAG of a dataset: who may read it sees the dataset."""
    return f"{name}{CYCLE}"


def definitions() -> Definitions:
    """The datasets as their files say now.

    :raises DefinitionError: there is no folder of datasets
    """
    return load_definitions(datasets_dir())


def overview_of(dataset: Dataset) -> Overview:
    """How a dataset stands now.

    :raises Refused: it may not be looked at
    :raises TransientError: OpenSearch did not answer
    """
    from opensearch_strata.workflows.overview.overview import look_over

    with _client(dataset) as client:
        return look_over(client, _s3(dataset), dataset, datetime.now(UTC), _queue(dataset))


def one_day_of(overview: Overview, day: date) -> OneDay | None:
    """A day in detail; None if the overview does not know it.

    :raises Refused: it may not be looked at
    :raises TransientError: OpenSearch or S3 did not answer
    """
    from opensearch_strata.workflows.overview.one_day import look_at_day

    with _client(overview.dataset) as client:
        return look_at_day(client, _s3(overview.dataset), overview, day)


def loads_of(dataset: Dataset) -> Loads:
    """What was loaded from archives, and what could not be.

    :raises Refused: the ledger may not be read
    :raises TransientError: OpenSearch did not answer
    """
    from opensearch_strata.airflow.hooks.s3 import s3_client
    from opensearch_strata.workflows.overview.loads import look_at_loads

    s3 = s3_client(dataset.intake.aws_conn_id) if dataset.intake.source else None
    with _client(dataset) as client:
        return look_at_loads(client, s3, dataset)


def answer_of(dataset: Dataset, asked: Asked) -> Answered:
    """The answer to a question about a dataset's past.

    :raises Refused: it cannot be answered
    :raises TransientError: OpenSearch did not answer
    """
    from opensearch_strata.airflow.ui.explore.answered import answer

    with _client(dataset) as client:
        return answer(client, dataset, asked)


@contextmanager
def _client(dataset: Dataset) -> Iterator[OpenSearch]:
    from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook
    from opensearch_strata.connections.opensearch import build_client

    hook = OpenSearchHook(dataset.cycle.opensearch_conn_id)
    hook.refuse_serverless()
    impatient = {"timeout": min(hook.settings.timeout, _ANSWER_WITHIN), "max_retries": 0, "opaque_id": "strata-page"}
    with build_client(hook.settings.model_copy(update=impatient)) as client:
        yield client


def _s3(dataset: Dataset) -> BaseClient | None:
    from opensearch_strata.airflow.hooks.s3 import s3_client

    return s3_client(dataset.archive.aws_conn_id) if dataset.archive else None


def _queue(dataset: Dataset) -> Callable[[], QueueState] | None:
    named = dataset.intake.queue
    if named is None:
        return None

    def state() -> QueueState:
        from opensearch_strata.airflow.hooks.sqs import sqs_client
        from opensearch_strata.archive.arrivals.queue import Queue

        return Queue(sqs_client(dataset.intake.aws_conn_id, named), named).state()

    return state
