"""The tasks for raw days that have left the window: list, prove, delete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from opensearch_strata.airflow.assets import tell_days
from opensearch_strata.airflow.links import DayPageLink, MonthIndexLink, RawIndexLink, link_day, link_indices
from opensearch_strata.airflow.operators.base import DatasetOperator
from opensearch_strata.definition.consent import consent_of
from opensearch_strata.errors.amounts import counted
from opensearch_strata.presentation.tables import Table, proof_table, some_names

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.history.verify.proof import Proof


SPARE = 20
"""How many days a run tries beyond those that it may delete, as some may have to stay."""

WAITING = "waiting"
"""XCom key for the number of expired days that a run does not try."""

WANTED = "wanted"
"""Key of the XCom with the restored days that stay for now: name of the index -> why."""

WHY_KEPT = "why_kept"
"""XCom key under which a task says why a raw day stays: ``{"index", "why"}``."""


def every_xcom(ti: Any, task_id: str, key: str = "return_value") -> list[Any]:
    """Return what the mapped tasks of a run pushed so far. Asking for those that pushed nothing would log an error."""
    found = ti.xcom_pull(task_ids=task_id, key=key)
    return found if isinstance(found, list) else [found] if found else []  # a single value comes without a list


class ListExpiredOperator(DatasetOperator):
    """List raw days that have left the window, oldest first: ``[{"index", "day"}, ...]``.

    It lists more days than a run may delete, as some of them may have to stay; the rest wait, and take turns. In a
    scheduled run, it lists none if the dataset says that nothing is deleted.
    """

    purpose = "days beyond the window"

    def execute(self, context: Context) -> list[dict[str, str]]:
        """List; nothing is changed."""
        from opensearch_strata.history.raw_day.policies import policies_over
        from opensearch_strata.workflows.expired import list_expired

        dataset = self.dataset
        expired = list_expired(self.client, dataset, self.day, datetime.now(UTC))
        for danger in policies_over(self.client, self.dataset).dangers:
            self.log.warning("%s", danger)
        if expired.undated:
            self.log.warning(
                "These indices match the raw pattern but contain no date, so they are never touched: %s",
                some_names(expired.undated),
            )
        days = expired.some(dataset.cycle.max_deletes_per_run, SPARE, self.day)
        if not consent_of(dataset).asked and context["dag_run"].run_type == "scheduled":
            days = {}
        waiting = [index for index in expired.indices if index not in days]
        context["ti"].xcom_push(key=WAITING, value=len(waiting))
        context["ti"].xcom_push(key=WANTED, value=expired.wanted)
        rows = [(index, str(day)) for index, day in days.items()]
        window = f"the window of {counted(dataset.raw.window_days, 'day')} that ends with {self.day}"
        title = f"Raw days older than {window}: {len(expired.indices)}"
        self.log.info("%s", Table(title, ("index", "day"), rows))
        for index, why in expired.wanted.items():
            self.log.info("%s stays: %s.", index, why)
        if waiting:
            self.log.info("These raw days wait for another run: %s", some_names(waiting))
        return [{"index": index, "day": day} for index, day in rows]


def is_dry(dataset: Dataset, cycle: dict[str, Any]) -> bool:
    """Whether a task of a run may only show what it would delete.

    A person may withdraw the confirmation or change the window after the run has begun, or before an old task is
    cleared. So each task asks the dataset as it is now, whatever ``resolve_day`` found.
    """
    return bool(cycle["dry_run"]) or not consent_of(dataset).given


def _is_question(context: Context) -> bool:
    """Whether a person only asked what would be deleted: that a day would be kept is an answer then, and no failure."""
    return context["dag_run"].run_type == "manual" and bool(context["params"]["dry_run"])


class ProveOperator(DatasetOperator):
    """Prove one expired raw day, repairing its rows where late documents came.

    Days are proven one after the other, until the run has as many as it may delete. A dry run only verifies; otherwise,
    the history's second copy is written too, if the dataset has an archive. Returns
    what must still hold when the day is deleted (:meth:`opensearch_strata.workflows.retention.Proven.as_json`) and
    ``mend``: what a run that deletes would have to do first, empty if nothing.

    :param expired: ``{"index", "day"}``
    """

    purpose = "prove before deletion"
    reads = (
        "raw",
        "history",
    )
    writes = ("history",)
    template_fields: Sequence[str] = ("cycle", "expired")
    operator_extra_links = (DayPageLink(), RawIndexLink(), MonthIndexLink())

    def __init__(self, *, expired: Any, **kwargs: Any) -> None:
        super().__init__(map_index_template="{{ task.expired['index'] }}", max_active_tis_per_dagrun=1, **kwargs)
        self.expired = expired

    def execute(self, context: Context) -> dict[str, Any]:
        """Prove.

        :raises Refused: the day differs from its rows, as the table in the log shows; the raw day is kept
        :raises AirflowSkipException: there is nothing to prove, or a person only asked what would be deleted
        """
        from opensearch_strata.errors import Refused
        from opensearch_strata.errors.judging import explain

        day = date.fromisoformat(self.expired["day"])
        link_indices(context, self.hook.settings.url, self.dataset, day)
        self._wait_if_enough_leave(context)
        try:
            return self._proven(context, day)
        except Exception as error:
            self._tell_why(context, str(error) if isinstance(error, AirflowSkipException) else explain(error))
            if isinstance(error, Refused) and _is_question(context):
                self.log.warning("%s would be kept: %s", self.expired["index"], explain(error))
                raise AirflowSkipException(explain(error)) from None
            raise

    def _wait_if_enough_leave(self, context: Context) -> None:
        """Skip the day if the run already has as many others as it may delete."""
        ti, most = context["ti"], self.dataset.cycle.max_deletes_per_run
        if len(every_xcom(ti, self.task_id)) >= most:
            sentence = f"waits for another run: this one may delete {counted(most, 'day')} (cycle.max_deletes_per_run)"
            self._tell_why(context, sentence)
            raise AirflowSkipException(f"{self.expired['index']} {sentence}.")

    def _tell_why(self, context: Context, sentence: str) -> None:
        context["ti"].xcom_push(key=WHY_KEPT, value={"index": self.expired["index"], "why": sentence})

    def _proven(self, context: Context, day: date) -> dict[str, Any]:
        from opensearch_strata.history.levels.prove import prove
        from opensearch_strata.history.verify.verify import verify
        from opensearch_strata.workflows.cycle import require_proven, unproven, would_mend
        from opensearch_strata.workflows.retention import retire

        dry_run = is_dry(self.dataset, self.cycle)
        tell = self.telling("comparing", self.dataset.raw_index(day))
        proof = (verify if dry_run else prove)(self.client, self.dataset, day, on_documents=tell)
        if proof.state in ("missing", "empty"):
            self.log.warning("%s", unproven(proof))
            raise AirflowSkipException(unproven(proof))
        mend = would_mend(proof) if dry_run and proof.mendable else ""
        if proof.rows:
            self.log.info("%s", proof_table(proof))
        if mend and proof.raw:
            self.log.info("%s: %s", proof.index, mend)
            found = {"index": proof.index, "day": day.isoformat(), "documents": proof.raw.documents, "rows": proof.rows}
        else:
            proven = require_proven(proof)
            # Anything else that keeps the day is found here, so only days that can be deleted count towards the limit.
            retire(self.client, self.dataset, proven, self.day, dry_run=True)
            self.log.info("verified", index=proven.index, documents=proven.documents, rows=proof.rows)
            if proof.without_levels:
                self.log.warning("%s", proof.without_levels)
            if not dry_run:
                self._copy(proof)
            if proof.mended:
                tell_days(context, self.dataset.name, "history", [day], documents=proven.documents, rows=proof.rows)
            found = proven.as_json()
        return {**found, "mend": mend}

    def _copy(self, proof: Proof) -> None:
        """Copy the rows to S3 before the raw day goes. If that fails, the task ``copy_history`` tries again, and says
        so."""
        from opensearch_strata.airflow.hooks.s3 import s3_client
        from opensearch_strata.workflows.history_copy.cycle_copies import copy_proven

        if self.dataset.archive is None:
            return
        copied = copy_proven(self.client, self.dataset, proof, partial(s3_client, self.dataset.archive.aws_conn_id))
        if copied and copied.outcome == "failed":
            self.log.warning("The history's second copy is left to the task copy_history. %s", copied.note)
        elif copied:
            self.log.info("history copied", outcome=copied.outcome, rows=copied.rows, bytes=copied.size, url=copied.url)


class DeleteOperator(DatasetOperator):
    """Delete one proven raw day; a dry run only says that it would.

    Returns ``{"index", "documents", "mend", "outcome"}``.

    :param proven: what :class:`ProveOperator` returned, or :class:`~.archive.ArchiveOperator`
    """

    purpose = "delete the raw day"
    template_fields: Sequence[str] = ("cycle", "proven")
    operator_extra_links = (DayPageLink(),)
    ui_color = "#fee2e2"

    def __init__(self, *, proven: Any, **kwargs: Any) -> None:
        super().__init__(map_index_template="{{ task.proven['index'] }}", **kwargs)
        self.proven = proven

    def execute(self, context: Context) -> dict[str, Any]:
        """Delete.

        :raises Refused: a condition no longer holds; the raw day was kept
        """
        from opensearch_strata.airflow.hooks.s3 import s3_client
        from opensearch_strata.workflows.archiving import ProvenArchive, require_archived
        from opensearch_strata.workflows.retention import Proven, retire

        link_day(context, self.dataset, date.fromisoformat(self.proven["day"]))
        done = {"index": self.proven["index"], "documents": self.proven["documents"], "mend": self.proven["mend"]}
        if done["mend"]:
            self.log.info("%s would be deleted: %s", done["index"], done["mend"])
            return {**done, "outcome": "dry_run"}
        proven = Proven.from_json(self.proven)
        dry, archive = is_dry(self.dataset, self.cycle), None
        if not dry and self.dataset.archive and "archive" in self.proven:
            s3 = s3_client(self.dataset.archive.aws_conn_id)
            archive = partial(require_archived, s3, self.dataset, ProvenArchive.from_json(self.proven["archive"]))
        outcome = retire(self.client, self.dataset, proven, self.day, dry_run=dry, archive=archive)
        columns = ("index", "documents", "rows", "outcome")
        row = (proven.index, proven.documents, self.proven["rows"], outcome)
        self.log.info("%s", Table(f"Raw day {proven.day}", columns, [row]))
        if outcome == "dry_run":
            self.log.info("%s would be deleted: it is proven.", proven.index)
        return {**done, "outcome": outcome}
