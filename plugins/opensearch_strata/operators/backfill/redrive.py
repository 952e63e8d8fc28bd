"""Dead letters, once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opensearch_strata.operators.backfill.base import FormOperator
from opensearch_strata.tables import redriven_table

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opensearch_strata.archive.redrive import Redriven


class RedriveOperator(FormOperator):
    """Load the dead letters of a dataset again, under the same ids; a dry run only looks whether they can be.

    Returns ``{"files", "letters", "created", "existed", "still_dead", "verdict"}``.
    """

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002
        """Redrive.

        :raises Refused: S3 or OpenSearch does not allow it
        :raises TransientError: worth a retry
        """
        from opensearch_strata.archive.letters import dead_letters_url
        from opensearch_strata.archive.load import LoadSettings
        from opensearch_strata.archive.redrive import redrive

        asked, dataset = self.asked, self.dataset
        url = dead_letters_url(dataset.intake, asked.source or "")
        self.log.info("redriving", dead_letters=url, dry_run=asked.dry_run)
        settings = LoadSettings(in_flight=asked.bulks_in_flight)
        sums = redrive(
            self.s3, self.client, dataset, url, apply=not asked.dry_run, settings=settings, on_progress=self._tell
        )
        self.log.info("%s", redriven_table(dataset.name, sums))
        verdict = _verdict(sums, asked.dry_run)
        self.log.info("%s", verdict)
        return {
            "files": sums.files,
            "letters": sums.letters,
            "created": sums.created,
            "existed": sums.existed,
            "still_dead": sums.still_dead.total(),
            "verdict": verdict,
        }

    def _tell(self, sums: Redriven) -> None:
        still_dead = sums.still_dead.total()
        self.log.info("redriven", files=sums.files, letters=sums.letters, loaded=sums.loaded, still_dead=still_dead)


def _verdict(sums: Redriven, dry_run: bool) -> str:
    still_dead = f"{sums.still_dead.total():,} still cannot be loaded"
    if dry_run:
        return (
            f"{sums.documents:,} of {sums.letters:,} dead letters can be sent now, {still_dead}. Dry run: nothing was "
            f"loaded. Untick dry_run to load them."
        )
    return (
        f"{sums.loaded:,} of {sums.letters:,} dead letters are loaded, {sums.existed:,} of them were already there; "
        f"{still_dead} and stay where they are."
    )
