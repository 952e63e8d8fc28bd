"""``strata levels``: rows of coarser levels, built from the rows that exist."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from opensearch_strata.cli.connection import connected, find_dataset
from opensearch_strata.cli.options import AsJson, CaCerts, DatasetName, DatasetsDir, FirstDay, LastDay, Url
from opensearch_strata.cli.output import fail, note, print_json, print_table, say
from opensearch_strata.errors.amounts import counted


def levels(
    dataset: DatasetName,
    *,
    first: FirstDay,
    last: LastDay,
    url: Url,
    apply: Annotated[bool, typer.Option("--apply", help="Build what is not complete. Without it, only look.")] = False,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Build the levels of a span of days; a dry run without --apply.

    They are merged from the rows of proven days, whether the raw days exist or
    are long gone, and compared with them. No base row is changed. The exit code
    is 1 if rows of a level differ, or if rows of a day cannot be merged because
    they are not those that were proven.
    """
    from opensearch_strata.history.levels.span import levels_of_span
    from opensearch_strata.presentation.levels import levels_table

    definition = find_dataset(dataset, datasets_dir)
    units = []
    with connected(url, ca_certs) as client:
        for unit in levels_of_span(client, definition, first, last, "build" if apply else "look"):
            built = [one for one in unit.levels if one.state == "built"]
            if built:
                note(f"{unit.unit}: {', '.join(one.name for one in built)} built.")
            units.append(unit)
    if as_json:
        print_json({"dataset": dataset, "applied": apply, "units": [asdict(unit) for unit in units]})
    else:
        print_table(levels_table(dataset, units))
        every = [one for unit in units for one in unit.levels]
        there = sum(one.state in ("complete", "built") for one in every)
        say(f"{there:,} of {counted(len(every), 'level')} are complete.")
        if not apply and any(one.state == "missing" for one in every):
            say("Nothing was changed; run this again with --apply to build what is missing.")
    if problems := [unit.problem for unit in units if unit.problem]:
        fail(" ".join(problems[:3]) + (f" And {counted(len(problems) - 3, 'more')}." if problems[3:] else ""))
        raise typer.Exit(1)
