"""``strata redrive``: load dead letters again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from opensearch_strata.cli.connection import connected, find_dataset, is_serverless
from opensearch_strata.cli.options import AsJson, CaCerts, DatasetName, DatasetsDir, Url
from opensearch_strata.cli.output import fail, print_json, print_table, say
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from opensearch_strata.archive.redrive import Redriven


def redrive(
    dataset: DatasetName,
    *,
    url: Url,
    dead_letters: Annotated[
        str | None,
        typer.Option(
            "--dead-letters", metavar="URL", help="s3://bucket/prefix/ of the dead letters. Default: the dataset's."
        ),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Load them. Without it, they are only checked.")] = False,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Load dead letters again, once their cause is fixed; a dry run without --apply.

    They get the ids that they would have had, so nothing is stored twice.
    Letters that still cannot be loaded stay where they are, and the exit code
    is 1.
    """
    from opensearch_strata.archive.load.batch import LoadSettings
    from opensearch_strata.archive.redrive import dead_letters_of
    from opensearch_strata.workflows.backfill.backfill import Backfill

    definition = find_dataset(dataset, datasets_dir)
    place = dead_letters_of(definition, dead_letters)
    with connected(url, ca_certs, serverless=True) as client:
        backfill = Backfill(client, definition, serverless=is_serverless(url))
        sums = backfill.redrive(place, apply=apply, settings=LoadSettings())
    if as_json:
        print_json({"dataset": dataset, "dead_letters": place, "applied": apply, **vars(sums)})
    else:
        _tell_redriven(dataset, place, sums, apply)
    if apply and sums.remaining:
        fail(f"{sums.remaining}; see the reasons above.")
        raise typer.Exit(1)


def _tell_redriven(dataset: str, place: str, sums: Redriven, apply: bool) -> None:
    from opensearch_strata.presentation.tables import redriven_table

    if not sums.files:
        say(f"There are no dead letters of {dataset} in {place}.")
        return
    print_table(redriven_table(dataset, sums))
    if apply:
        say(f"{sums.loaded:,} of {counted(sums.letters, 'dead letter')} are now documents.")
    else:
        say(f"{sums.outlook} Nothing was loaded; add --apply to load them.")
