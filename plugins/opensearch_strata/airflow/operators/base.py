"""The bases of all operators that work on a dataset."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from opensearch_strata.airflow.metrics import time_step

if TYPE_CHECKING:
    from airflow.sdk import Context
    from opensearchpy import OpenSearch

    from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook
    from opensearch_strata.airflow.lineage import Part
    from opensearch_strata.definition.dataset import Dataset


# A template, because an XComArg would draw an edge from resolve_day to every task of the graph.
_RESOLVED = "{{ ti.xcom_pull(task_ids='resolve_day') }}"


class StrataOperator(BaseOperator):
    """A task of Strata: the UI shows its id with its purpose, and its docs.

    :param purpose: what the task is for, in a few words
    """

    purpose: ClassVar[str] = ""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**self.shown(kwargs["task_id"]), **kwargs})

    @classmethod
    def shown(cls, task_id: str) -> dict[str, str]:
        """What the UI shows of a task, as arguments. For ``partial()``, which does not call the constructor.

        The id comes first, because logs and docs call the task by it.

        :param task_id: with or without its groups
        """
        name = task_id.rpartition(".")[2]
        docs = inspect.getdoc(cls) or ""
        return {"task_display_name": f"{name}: {cls.purpose}", "doc_md": docs.partition("\n\n")[0].replace("``", "`")}


class TimedOperator(StrataOperator):
    """Tells Airflow's metrics how long the task took, once it is done, however long it was deferred, and OpenLineage
    what it reads and writes.

    :param reads: parts of the dataset that it reads
    :param writes: parts of the dataset that it writes
    """

    reads: ClassVar[tuple[Part, ...]] = ()
    writes: ClassVar[tuple[Part, ...]] = ()

    @property
    def dataset_name(self) -> str:
        """Name of the dataset that the task works on.

        :raises NotImplementedError: the operator does not say
        """
        raise NotImplementedError(type(self).__name__)

    def post_execute(self, context: Context, result: Any = None) -> None:
        """Send the metric.

        :param result: what the task returned; Airflow 3.3 leaves it out
        """
        super().post_execute(context, result)
        if began := context["ti"].start_date:
            time_step(self.dataset_name, self.task_id.rpartition(".")[2], began, datetime.now(UTC))

    def worked_on(self) -> tuple[Dataset, str | None]:
        """The dataset that the task works on, and the source that it loads instead of the dataset's own.

        :raises NotImplementedError: the operator reads or writes, but does not say of what
        """
        raise NotImplementedError(type(self).__name__)

    def get_openlineage_facets_on_start(self) -> Any:
        """What the task reads and writes. OpenLineage's provider calls it, before the task and after it."""
        from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook
        from opensearch_strata.airflow.lineage import facets

        if not (self.reads or self.writes):
            return None
        dataset, source = self.worked_on()
        url = OpenSearchHook(dataset.cycle.opensearch_conn_id).settings.url
        return facets(dataset, url, self.reads, self.writes, source)


class DatasetOperator(TimedOperator):
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
    def dataset_name(self) -> str:
        """Name of the dataset."""
        return self.dataset.name

    def worked_on(self) -> tuple[Dataset, str | None]:
        """The dataset; it has only one source."""
        return self.dataset, None

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
