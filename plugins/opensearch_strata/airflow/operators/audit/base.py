"""What the parts of an audit have in common."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from opensearch_strata.airflow.operators.audit.form import AuditForm
from opensearch_strata.airflow.operators.base import TimedOperator
from opensearch_strata.presentation.audit import costs_table, findings_table

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.workflows.audit.audit import Audited, AuditPlan

AUDITED = "audited"
"""XCom key under which a task leaves what it found: :meth:`Audited.as_json`, with the worst findings only."""

_MOST_FINDINGS = 50

# A template, because an XComArg would draw one more edge from the first task.
_FORM = "{{ ti.xcom_pull(task_ids='choose', key='form') }}"


class AuditOperator(TimedOperator):
    """Audits one dataset; its definition is read when the task runs.

    :param dataset: its name
    :param form: what the task ``choose`` pushed; the DAG must render templates as native objects
    """

    template_fields: Sequence[str] = ("form", "dataset")
    ui_color = "#ede9fe"

    def __init__(self, *, dataset: Any, form: Any = _FORM, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.form = form

    @property
    def dataset_name(self) -> str:
        """Name of the dataset."""
        return str(self.dataset)

    @cached_property
    def asked(self) -> AuditForm:
        """The form, checked."""
        return AuditForm.checked(self.form)

    @cached_property
    def definition(self) -> Dataset:
        """The definition as it is now.

        :raises DefinitionError: there is no valid dataset of this name
        """
        from opensearch_strata.definition.files import datasets_dir, load_definitions

        return load_definitions(datasets_dir()).get(self.dataset)

    def worked_on(self) -> tuple[Dataset, str | None]:
        """The dataset, as it is now."""
        return self.definition, None

    def planned(self, seed: str = "", *, days: bool, restore: int) -> AuditPlan:
        """Plan, and log what it is going to cost.

        :param seed: see :func:`opensearch_strata.workflows.audit.audit.plan_audit`
        :param days: likewise
        :param restore: likewise
        :raises AirflowSkipException: the dataset is on OpenSearch Serverless
        """
        from opensearch_strata.airflow.hooks.opensearch import OpenSearchHook
        from opensearch_strata.airflow.hooks.s3 import s3_client
        from opensearch_strata.workflows.audit.audit import plan_audit

        asked, definition = self.asked, self.definition
        hook = OpenSearchHook(definition.cycle.opensearch_conn_id)
        if hook.is_serverless:
            raise AirflowSkipException(f"{self.dataset} is on OpenSearch Serverless, which has no history to audit.")
        plan = plan_audit(
            hook.client,
            s3_client(definition.archive.aws_conn_id) if definition.archive else None,
            definition,
            datetime.now(UTC),
            first=asked.from_day,
            last=asked.to_day,
            days=days,
            restore=restore,
            seed=seed,
            apply=asked.apply,
        )
        self.log.info("%s", plan.sentence)
        return plan

    def told(self, context: Context, found: Audited) -> None:
        """Log what was found, and leave it for the report.

        :raises AirflowFailException: something is lost or would be, or could not be looked at
        :raises AirflowException: something did not answer or changed meanwhile, so that another try may succeed
        """
        if found.findings:
            self.log.info("%s", findings_table(found.dataset, found.findings))
        costs = [("planned", found.planned), ("spent", found.spent)]
        self.log.info("%s", costs_table(found.dataset, costs))
        told = found.as_json()
        kept = {**told, "findings": told["findings"][:_MOST_FINDINGS]}
        context["ti"].xcom_push(key=AUDITED, value=kept)
        if found.may_pass:
            raise AirflowException(found.verdict)
        if found.failed:
            raise AirflowFailException(found.verdict)
        self.log.info("%s", found.verdict)
