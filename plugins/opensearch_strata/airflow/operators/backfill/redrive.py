"""The task that loads dead letters again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensearch_strata.airflow.operators.backfill.base import DRY, FormOperator
from opensearch_strata.errors import Refused
from opensearch_strata.errors.amounts import counted
from opensearch_strata.presentation.tables import redriven_table

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opensearch_strata.archive.redrive import Redriven


class RedriveOperator(FormOperator):
    """Load the dead letters of a dataset again, under the same ids; a dry run only checks whether they can be loaded.

    Pushes ``{"files", "letters", "created", "existed", "still_dead", "verdict"}`` under the XCom key ``redriven``.
    """

    purpose = "load dead letters again"
    reads = ("dead_letters",)
    writes = ("raw",)

    def execute(self, context: Context) -> None:
        """Redrive.

        :raises DefinitionError: nothing says where the dead letters are
        :raises Refused: some still cannot be loaded, or S3 or OpenSearch does not allow it
        :raises TransientError: worth a retry
        """
        from opensearch_strata.archive.load.batch import LoadSettings
        from opensearch_strata.archive.redrive import dead_letters_of

        asked, dataset = self.asked, self.dataset
        url = dead_letters_of(dataset, asked.source)
        self.log.info("redriving", dead_letters=url, dry_run=asked.dry_run)
        settings = LoadSettings(in_flight=asked.max_concurrent_bulks)
        sums = self.backfill.redrive(url, apply=not asked.dry_run, settings=settings, on_progress=self._tell)
        self.log.info("%s", redriven_table(dataset.name, sums))
        verdict = _verdict(sums, asked.dry_run)
        redriven = {
            "files": sums.files,
            "letters": sums.letters,
            "created": sums.created,
            "existed": sums.existed,
            "still_dead": sums.still_dead.total(),
            "verdict": verdict,
        }
        context["ti"].xcom_push(key="redriven", value=redriven)
        if not asked.dry_run and (sums.still_dead or sums.damage):
            raise Refused(verdict)
        self.log.info("%s", verdict)

    def _tell(self, sums: Redriven) -> None:
        still_dead = sums.still_dead.total()
        self.log.info("redriven", files=sums.files, letters=sums.letters, loaded=sums.loaded, still_dead=still_dead)


def _verdict(sums: Redriven, dry_run: bool) -> str:
    if not sums.files:
        return "There are no dead letters."
    if dry_run:
        return f"{sums.outlook} {DRY}"
    return (
        f"Loaded {sums.loaded:,} of {counted(sums.letters, 'dead letter')}, {sums.existed:,} of which were already "
        f"there; {sums.still_dead.total():,} still cannot be loaded and stay where they are."
    )
