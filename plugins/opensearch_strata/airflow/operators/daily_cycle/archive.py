"""Raw days to their archives: those that leave the window, and those that are old enough before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from opensearch_strata.airflow.assets import tell_days
from opensearch_strata.airflow.links import ArchiveLink, DayPageLink, link_archive, link_day
from opensearch_strata.airflow.metrics import add_counts
from opensearch_strata.airflow.operators.base import DatasetOperator
from opensearch_strata.airflow.operators.daily_cycle.retention import WHY_KEPT, is_dry
from opensearch_strata.presentation.archives import archive_proof_table, archive_table

if TYPE_CHECKING:
    from airflow.sdk import Context
    from botocore.client import BaseClient

    from opensearch_strata.workflows.archiving import ArchivedDay


class ArchivingOperator(DatasetOperator):
    """Archives raw days of a dataset."""

    ui_color = "#fef3c7"

    def s3(self) -> BaseClient:
        """The client of the archive's bucket."""
        from opensearch_strata.airflow.hooks.s3 import s3_client
        from opensearch_strata.workflows.archiving import settings_of

        return s3_client(settings_of(self.dataset).aws_conn_id)

    def tell(self, context: Context, done: list[ArchivedDay]) -> None:
        """Emit an event for each day that was archived, and not for one that had been before.

        :param context: of the task
        :param done: what became of each day
        """
        new = [one for one in done if one.outcome == "archived"]
        documents, size = (sum(one.proven.documents for one in new), sum(one.stored_bytes for one in new))
        tell_days(context, self.dataset.name, "archive", (one.day for one in new), documents=documents, bytes=size)

    def archived(self, day: date, *, repair: bool) -> ArchivedDay:
        """Prove the rows of a day, archive it, and log the proof.

        :param day: the raw day
        :param repair: condense late documents first
        :raises Refused: the rows or the archive could not be proven; nothing of this archive counts
        """
        from opensearch_strata.history.verify.repair import prove
        from opensearch_strata.history.verify.verify import verify
        from opensearch_strata.workflows.archiving import archive_day

        proof = (prove if repair else verify)(self.client, self.dataset, day)
        done = archive_day(self.client, self.s3(), self.dataset, proof)
        if done.checks:
            self.log.info("%s", archive_proof_table(done.index, done.checks))
        self.log.info(done.outcome, index=done.index, manifest=done.proven.url, documents=done.proven.documents)
        if done.outcome == "archived":
            counts = {"days": 1, "documents": done.proven.documents, "bytes": done.stored_bytes}
            add_counts("archive", self.dataset.name, counts)
        return done


class ArchiveOperator(ArchivingOperator):
    """Archive one raw day that is about to be deleted; a dry run shows how large the archive will be.

    Returns what :class:`~.retention.ProveOperator` returned, with ``archive``: what must still hold of the archive when
    the day is deleted (:meth:`opensearch_strata.workflows.archiving.ProvenArchive.as_json`).

    :param proven: what :class:`~.retention.ProveOperator` returned
    """

    purpose = "raw day to S3"
    reads = ("raw",)
    writes = ("archive",)
    template_fields: Sequence[str] = ("cycle", "proven")
    operator_extra_links = (DayPageLink(), ArchiveLink())

    def __init__(self, *, proven: Any, **kwargs: Any) -> None:
        super().__init__(map_index_template="{{ task.proven['index'] }}", max_active_tis_per_dagrun=1, **kwargs)
        self.proven = proven

    def execute(self, context: Context) -> dict[str, Any]:
        """Archive.

        :raises Refused: the archive could not be proven; the raw day is kept
        """
        from opensearch_strata.errors.judging import explain
        from opensearch_strata.workflows.archives import estimate_day

        day = date.fromisoformat(self.proven["day"])
        link_day(context, self.dataset, day)
        try:
            if is_dry(self.dataset, self.cycle):
                found = estimate_day(self.client, self.s3(), self.dataset, day)
                if found:
                    self.log.info("%s", archive_table(self.dataset.name, [vars(found)]))
                return dict(self.proven)
            done = self.archived(day, repair=False)
        except Exception as error:
            context["ti"].xcom_push(key=WHY_KEPT, value={"index": self.proven["index"], "why": explain(error)})
            raise
        link_archive(context, done.proven.url)
        self.tell(context, [done])
        return {**self.proven, "archive": done.proven.as_json()}


class ArchiveDueOperator(ArchivingOperator):
    """Archive every raw day that is old enough (``archive.after_days``) and not archived as it is now.

    A day that cannot be archived does not keep others from it. Returns ``{"archived": [index]}``.
    """

    purpose = "old days to S3"
    reads = ("raw",)
    writes = ("archive",)

    def execute(self, context: Context) -> dict[str, Any]:
        """Archive.

        :raises AirflowSkipException: no day is due
        :raises AirflowFailException: a day could not be archived; the others were
        """
        from opensearch_strata.errors.judging import explain
        from opensearch_strata.workflows.archives import days_due

        archived, failed = [], {}
        for day in list(days_due(self.client, self.s3(), self.dataset, self.day)):
            index = self.dataset.raw_index(day)
            try:
                archived.append(self.archived(day, repair=True))
            except Exception as error:  # noqa: BLE001 - told below, with the days that it does not keep
                failed[index] = explain(error)
                self.log.warning("%s was not archived: %s", index, failed[index])
        if failed:
            raise AirflowFailException(f"Not archived: {'; '.join(f'{index}: {why}' for index, why in failed.items())}")
        if not archived:
            raise AirflowSkipException("No raw day is due.")
        self.tell(context, archived)
        return {"archived": [one.index for one in archived]}
