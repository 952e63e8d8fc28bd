"""The base of all operators that work on a dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook
    from opensearch_strata.definition.dataset import Dataset


# A template, because an XComArg would draw an edge from resolve_day to every task of the graph.
_RESOLVED = "{{ ti.xcom_pull(task_ids='resolve_day') }}"


class DatasetOperator(BaseOperator):
    """Works on one dataset and the day of a cycle.

    :param dataset: the definition
    :param cycle: what the task ``resolve_day`` returned: ``{"day": "2013-03-02", "dry_run": bool,
        "redefine": bool, "allow_poorer": bool}``; the DAG must render templates as native objects
    """

    template_fields: Sequence[str] = ("cycle",)
    ui_color = "#dbeafe"

    def __init__(self, *, dataset: Dataset, cycle: Any = _RESOLVED, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.cycle = cycle

    @property
    def day(self) -> date:
        """The day of the cycle, which is its newest complete day."""
        return date.fromisoformat(self.cycle["day"])

    @cached_property
    def hook(self) -> OpenSearchHook:
        """The hook of the dataset's connection."""
        from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook

        hook = OpenSearchHook(self.dataset.cycle.opensearch_conn_id)
        hook.refuse_serverless()
        return hook

    @property
    def client(self) -> OpenSearch:
        """The client of the dataset's connection."""
        return self.hook.client

    def telling(self, event: str, index: str) -> Callable[[int], None]:
        """A function that services call with the documents of each step; it logs one line for each.

        :param event: what is done with the documents
        :param index: name of the raw day
        """
        done = 0

        def tell(documents: int) -> None:
            nonlocal done
            if documents:
                done += documents
                self.log.info(event, index=index, documents=done)

        return tell
