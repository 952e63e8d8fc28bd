"""What the steps of a backfill have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from opensearch_strata.airflow.operators.backfill.form import BackfillForm
from opensearch_strata.airflow.operators.base import TimedOperator
from opensearch_strata.definition.loading.restore_request import ARCHIVE_SOURCE

if TYPE_CHECKING:
    from airflow.sdk import Context
    from opensearchpy import OpenSearch

    from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook
    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.workflows.backfill.backfill import Backfill
    from opensearch_strata.workflows.backfill.plan_ref import PlanRef

DRY = "Dry run: nothing was loaded. Switch off dry_run to load it."
"""The last line of a dry run."""

WOULD_BE_REFUSED = "A run that loads would be refused."
"""What a dry run says of a plan that may not be carried out, before the reason."""

# Templates, because XComArgs would draw an edge to every task of the graph.
_FORM = "{{ ti.xcom_pull(task_ids='read_form', key='form') }}"
_PLAN = "{{ ti.xcom_pull(task_ids='plan', key='plan') }}"


class FormOperator(TimedOperator):
    """Works on the dataset that the form names; its definition is read when the task runs.

    :param form: what the task ``read_form`` pushed under the key ``form``; the DAG must render templates as native
        objects
    """

    template_fields: Sequence[str] = ("form",)
    ui_color = "#dcfce7"

    def __init__(self, *, form: Any = _FORM, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.form = form

    @property
    def dataset_name(self) -> str:
        """Name of the dataset."""
        return self.asked.dataset

    @cached_property
    def asked(self) -> BackfillForm:
        """The form, checked."""
        return BackfillForm.checked(self.form)

    @cached_property
    def dataset(self) -> Dataset:
        """The definition as it is now.

        :raises DefinitionError: there is no valid dataset of this name
        """
        return dataset_named(self.asked.dataset)

    def worked_on(self) -> tuple[Dataset, str | None]:
        """The dataset, and the source that the form names."""
        return self.dataset, self.asked.source

    @cached_property
    def hook(self) -> OpenSearchHook:
        """The hook of the dataset's connection."""
        from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook

        return OpenSearchHook(self.dataset.cycle.opensearch_conn_id)

    @property
    def client(self) -> OpenSearch:
        """The client of the dataset's connection."""
        return self.hook.client

    @cached_property
    def backfill(self) -> Backfill:
        """The steps of a backfill, through the connections that the dataset names."""
        from opensearch_strata.airflow.hooks.s3 import s3_client
        from opensearch_strata.workflows.backfill.backfill import Backfill

        intake, archive = self.dataset.intake, self.dataset.archive
        s3 = partial(s3_client, intake.aws_conn_id, request_payer=intake.request_payer)
        if archive and self.asked.source == ARCHIVE_SOURCE:
            s3 = partial(s3_client, archive.aws_conn_id)
        return Backfill(self.client, self.dataset, s3, serverless=self.hook.is_serverless)


class PlannedOperator(FormOperator):
    """Works on what was planned.

    :param plan: what the task ``plan`` pushed under the key ``plan``: a :class:`PlanRef` as JSON
    """

    template_fields: Sequence[str] = ("form", "plan")

    def __init__(self, *, plan: Any = _PLAN, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan

    @property
    def ref(self) -> PlanRef:
        """The plan."""
        from opensearch_strata.workflows.backfill.plan_ref import PlanRef

        return PlanRef.of_json(self.plan)


def owner(context: Context) -> str:
    """Return the run's name in the ledger, which is the same for all its tasks and tries."""
    return f"{context['dag_run'].dag_id}/{context['dag_run'].run_id}"


def dataset_named(name: str) -> Dataset:
    """Return the definition of a dataset.

    :raises DefinitionError: there is no valid dataset of this name
    """
    from opensearch_strata.definition.files import datasets_dir, load_definitions

    return load_definitions(datasets_dir()).get(name)
