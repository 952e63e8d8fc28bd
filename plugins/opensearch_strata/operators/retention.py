"""What has left the window: list, prove, delete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from opensearch_strata.links import MonthIndexLink, RawIndexLink, link_indices
from opensearch_strata.operators.base import DatasetOperator
from opensearch_strata.tables import Table, proof_table

if TYPE_CHECKING:
    from airflow.sdk import Context


class ListExpiredOperator(DatasetOperator):
    """List raw days that have left the window, oldest first: ``[{"index", "day"}, ...]``."""

    def execute(self, context: Context) -> list[dict[str, str]]:  # noqa: ARG002
        """List; nothing is changed."""
        from opensearch_strata.retention import list_expired

        expired = list_expired(self.client, self.dataset, self.day, datetime.now(UTC))
        if expired.undated:
            self.log.warning("These match the raw pattern but hold no date and are never touched: %s", expired.undated)
        if expired.postponed:
            most = self.dataset.cycle.max_deletes_per_run
            self.log.warning("More than %s days have left the window; these wait: %s", most, expired.postponed)
        rows = [(index, str(day)) for index, day in expired.indices.items()]
        title = f"{len(rows)} raw days have left the window of {self.dataset.raw.window_days} days up to {self.day}"
        self.log.info("%s", Table(title, ("index", "day"), rows))
        return [{"index": index, "day": day} for index, day in rows]


class ProveOperator(DatasetOperator):
    """Demand the proof of one expired raw day, mending its rows where late documents came.

    A dry run only verifies, and skips a day that would have to be mended. Returns ``{"index", "day", "uuid",
    "documents", "rows"}``.

    :param expired: ``{"index", "day"}``
    """

    template_fields: Sequence[str] = ("cycle", "expired")
    operator_extra_links = (RawIndexLink(), MonthIndexLink())

    def __init__(self, *, expired: Any, **kwargs: Any) -> None:
        super().__init__(map_index_template="{{ task.expired['index'] }}", **kwargs)
        self.expired = expired

    def execute(self, context: Context) -> dict[str, Any]:
        """Prove.

        :raises Refused: it differs, with the table in the log; the raw day is kept
        """
        from opensearch_strata.cycle import WOULD_MEND, require_proven, unproven
        from opensearch_strata.history.prove import prove
        from opensearch_strata.history.verify import verify

        day = date.fromisoformat(self.expired["day"])
        link_indices(context, self.hook.settings.url, self.dataset, day)
        check = verify if self.cycle["dry_run"] else prove
        proof = check(self.client, self.dataset, day)
        if proof.state in ("missing", "empty"):
            self.log.warning("%s", unproven(proof))
            raise AirflowSkipException(unproven(proof))
        self.log.info("%s", proof_table(proof))
        if self.cycle["dry_run"] and proof.mendable:
            self.log.warning("%s %s", unproven(proof), WOULD_MEND)
            raise AirflowSkipException(f"{proof.index}: {WOULD_MEND}")
        proven = require_proven(proof)
        self.log.info("verified", index=proven.index, documents=proven.documents, rows=proof.rows)
        return {
            "index": proven.index,
            "day": proven.day.isoformat(),
            "uuid": proven.uuid,
            "documents": proven.documents,
            "rows": proof.rows,
        }


class DeleteOperator(DatasetOperator):
    """Delete one raw day behind its proof; a dry run only says so. Returns ``{"index", "outcome", "documents"}``.

    :param proven: what :class:`ProveOperator` returned
    """

    template_fields: Sequence[str] = ("cycle", "proven")
    ui_color = "#fee2e2"

    def __init__(self, *, proven: Any, **kwargs: Any) -> None:
        super().__init__(map_index_template="{{ task.proven['index'] }}", **kwargs)
        self.proven = proven

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002
        """Delete.

        :raises Refused: a condition no longer holds; the raw day was kept
        """
        from opensearch_strata.retention import Proven, retire

        proven = Proven(
            self.proven["index"],
            date.fromisoformat(self.proven["day"]),
            self.proven["uuid"],
            self.proven["documents"],
        )
        outcome = retire(self.client, self.dataset, proven, self.day, dry_run=self.cycle["dry_run"])
        columns = ("index", "documents", "rows", "outcome")
        row = (proven.index, proven.documents, self.proven["rows"], outcome)
        self.log.info("%s", Table(f"Raw day {proven.day}", columns, [row]))
        if outcome == "dry_run":
            self.log.info("%s would be deleted; run again with dry_run off to do it.", proven.index)
        return {"index": proven.index, "outcome": outcome, "documents": proven.documents}
