"""``strata reaggregate``: rebuild history after a change to the definition."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from opensearch_strata.cli.connection import connected, find_dataset
from opensearch_strata.cli.options import AsJson, CaCerts, DatasetName, DatasetsDir, Engine, FirstDay, LastDay, Url
from opensearch_strata.cli.output import fail, note, print_json, print_table, say
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from opensearch_strata.history.reaggregate import Rebuilt


def reaggregate(
    dataset: DatasetName,
    *,
    first: FirstDay,
    last: LastDay,
    url: Url,
    engine: Engine = None,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild the rows of a span of days after a change to the definition.

    Only days that are still raw can be rebuilt; the others keep the rows of the
    older definition, and are named. Readers see every row all the time. The
    exit code is 1 if a raw day could not be rebuilt.
    """
    from opensearch_strata.definition.days import require_complete
    from opensearch_strata.history.reaggregate import reaggregate as rebuild

    definition = find_dataset(dataset, datasets_dir)
    require_complete(last, datetime.now(UTC), definition.zone)
    days = []
    with connected(url, ca_certs) as client:
        for done in rebuild(client, definition, first, last, engine=engine):
            note(f"{done.day}: {done.outcome}{f', {done.note}' if done.note else ''}.")
            days.append(done)
    if as_json:
        print_json({"dataset": dataset, "from": first, "to": last, "days": [asdict(done) for done in days]})
    else:
        _tell(dataset, days)
    if failed := [f"{done.day}" for done in days if done.outcome == "kept as it was"]:
        fail(f"Not rebuilt (see above): {', '.join(failed)}. Run this again for these days once the cause is fixed.")
        raise typer.Exit(1)


def _tell(dataset: str, days: list[Rebuilt]) -> None:
    from opensearch_strata.presentation.tables import rebuilt_table

    print_table(rebuilt_table(dataset, days))
    gone = [f"{done.day}" for done in days if done.outcome == "raw is gone"]
    rebuilt = sum(done.outcome == "rebuilt" for done in days)
    say(f"Rebuilt and proven: {rebuilt:,} of {counted(len(days), 'day')}.")
    if gone:
        span = gone[0] if len(gone) == 1 else f"{gone[0]} to {gone[-1]} ({len(gone)} days)"
        say(f"Not rebuilt, as the raw index is gone: {span}. The rows stay as they were; to rebuild them, restore it.")
