"""The task that chooses the datasets of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensearch_strata.airflow.operators.audit.form import AuditForm
from opensearch_strata.airflow.operators.base import StrataOperator
from opensearch_strata.definition.files import datasets_dir, load_definitions
from opensearch_strata.presentation.tables import Table

if TYPE_CHECKING:
    from airflow.sdk import Context


class ChooseOperator(StrataOperator):
    """Check the params and return the names of the datasets to audit. Pushes the form as a dict under ``form``."""

    purpose = "which datasets"
    ui_color = "#e5e7eb"

    def execute(self, context: Context) -> list[str]:
        """Choose.

        :raises DefinitionError: an unknown param, a value that does not fit, or no valid dataset of this name
        """
        asked = AuditForm.checked({**context["params"], **(context["dag_run"].conf or {})})
        known = load_definitions(datasets_dir())
        names = [known.get(asked.dataset).name] if asked.dataset else sorted(known.datasets)
        rows = [(name, value) for name, value in asked if value is not None]
        self.log.info("%s", Table("What this run is about", ("param", "value"), rows))
        context["ti"].xcom_push(key="form", value=asked.model_dump(mode="json"))
        return names
