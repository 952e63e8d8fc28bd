"""What the tasks of arrivals have in common."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from opensearch_strata.airflow.operators.base import TimedOperator

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook
    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.workflows.arrivals.arrivals import Arrivals
    from opensearch_strata.workflows.backfill.backfill import Backfill


class ArrivalsOperator(TimedOperator):
    """Works on the new objects of a dataset.

    :param dataset: the definition; it has a queue
    """

    ui_color = "#dcfce7"

    def __init__(self, *, dataset: Dataset, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset

    @property
    def dataset_name(self) -> str:
        """Name of the dataset."""
        return self.dataset.name

    def worked_on(self) -> tuple[Dataset, str | None]:
        """The dataset; its queue tells only of its own source."""
        return self.dataset, None

    @cached_property
    def hook(self) -> OpenSearchHook:
        """The hook of the dataset's connection."""
        from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook

        return OpenSearchHook(self.dataset.cycle.opensearch_conn_id)

    def build_arrivals(self) -> Arrivals:
        """The queue, for all datasets that share it, through the connections that each of them names."""
        from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook
        from opensearch_strata.airflow.hooks.sqs import sqs_client
        from opensearch_strata.definition.files import datasets_dir, load_definitions
        from opensearch_strata.workflows.arrivals.arrivals import Arrivals, Clients

        found = load_definitions(datasets_dir())
        hook_of = cache(OpenSearchHook)
        clients = Clients(
            opensearch=lambda dataset: hook_of(dataset.cycle.opensearch_conn_id).client,
            s3=s3_of,
            sqs=lambda dataset: sqs_client(dataset.intake.aws_conn_id, dataset.intake.queue or ""),
            serverless=lambda dataset: hook_of(dataset.cycle.opensearch_conn_id).is_serverless,
        )
        return Arrivals(self.dataset, list(found.datasets.values()), clients, are_all_known=not found.problems)

    def build_backfill(self) -> Backfill:
        """The steps of a backfill of the dataset."""
        from opensearch_strata.workflows.backfill.backfill import Backfill

        client, is_serverless = self.hook.client, self.hook.is_serverless
        return Backfill(client, self.dataset, lambda: s3_of(self.dataset), serverless=is_serverless)


def s3_of(dataset: Dataset) -> BaseClient:
    """The client for a dataset's source."""
    from opensearch_strata.airflow.hooks.s3 import s3_client

    return s3_client(dataset.intake.aws_conn_id, request_payer=dataset.intake.request_payer)
