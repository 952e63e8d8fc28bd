"""``strata history``: the history's second copy, and months moved to new indices."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from opensearch_strata.cli.connection import connected, find_dataset
from opensearch_strata.cli.options import AsJson, CaCerts, DatasetName, DatasetsDir, FirstDay, LastDay, Url
from opensearch_strata.cli.output import fail, note, print_json, print_table, say

if TYPE_CHECKING:
    from opensearch_strata.workflows.history_copy.importing import ImportedMonth


def read_month(text: str) -> date:
    """A month as its first day.

    :raises BadParameter: not exactly YYYY-MM
    """
    try:
        if re.fullmatch(r"\d{4}-\d{2}", text):
            return date.fromisoformat(f"{text}-01")
    except ValueError:
        pass
    raise typer.BadParameter(f"{text!r} is not a month; write it like 2013-01.")


Apply = Annotated[bool, typer.Option("--apply", help="Do it. Without it, nothing is changed.")]


def export_days(
    dataset: DatasetName,
    *,
    first: FirstDay,
    last: LastDay,
    url: Url,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Write the rows of proven days to the archive's bucket, a Parquet file each.

    A day is proven if its mark holds or, where the raw day still exists, if it agrees with its rows now. A file that is
    made of the very rows is not written again. The exit code is 1 if a day with rows had to be left out.
    """
    from opensearch_strata.archive.store.objects import build_s3
    from opensearch_strata.presentation.history_copy import copied_table
    from opensearch_strata.presentation.tables import some_names
    from opensearch_strata.workflows.history_copy.export import export_days as export

    definition = find_dataset(dataset, datasets_dir)
    days = []
    with connected(url, ca_certs) as client:
        for done in export(client, build_s3(), definition, first, last):
            note(f"{done.day}: {done.outcome}{f'. {done.note}' if done.note else f' {done.url}'.rstrip()}")
            days.append(done)
    if as_json:
        print_json({"dataset": dataset, "from": first, "to": last, "days": [asdict(done) for done in days]})
    else:
        print_table(copied_table(dataset, days))
        kept = sum(done.outcome in ("written", "unchanged") for done in days)
        say(f"{kept} of {len(days)} days have a copy that is made of their rows.")
    if left := [str(done.day) for done in days if done.outcome == "left out"]:
        fail(f"Left out, each for the reason above: {some_names(left)}.")
        raise typer.Exit(1)


def import_days(
    dataset: DatasetName,
    *,
    first: FirstDay,
    last: LastDay,
    url: Url,
    apply: Apply = False,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Make history months from their files in the archive's bucket; dry without --apply.

    Every row is read back and compared with its file, bit for bit. A month that exists gets the rows that it lacks; if
    it holds a row that differs, it is refused. The exit code is 1 if a month was refused, or if there is no file.
    """
    from opensearch_strata.archive.store.objects import build_s3
    from opensearch_strata.workflows.history_copy.importing import import_months

    definition = find_dataset(dataset, datasets_dir)
    months = []
    with connected(url, ca_certs) as client:
        for done in import_months(client, build_s3(), definition, first, last, apply=apply, on_step=_tell):
            note(f"{done.index}: {done.outcome}{f'. {done.note}' if done.note else ''}")
            months.append(done)
    if as_json:
        days = {done.index: {str(day): taken for day, taken in done.days.items()} for done in months}
        listed = [{**asdict(done), "days": days[done.index]} for done in months]
        print_json({"dataset": dataset, "applied": apply, "months": listed})
    else:
        _print_imported(dataset, months, apply)
    if refused := [done.index for done in months if done.outcome == "refused"]:
        fail(f"Refused, each for the reason above: {', '.join(refused)}.")
    elif not any(done.days for done in months):
        fail(f"There is no file of {dataset} from {first} to {last}.")
    else:
        return
    raise typer.Exit(1)


def _print_imported(dataset: str, months: list[ImportedMonth], apply: bool) -> None:
    from opensearch_strata.presentation.history_copy import imported_table

    print_table(imported_table(dataset, months))
    if not apply and any(done.outcome == "would be imported" for done in months):
        say("Nothing was written; run it again with --apply to import.")


def rewrite(
    dataset: DatasetName,
    month: Annotated[date, typer.Argument(metavar="MONTH", parser=read_month, help="The month, YYYY-MM.")],
    *,
    url: Url,
    apply: Apply = False,
    new_mapping: Annotated[
        bool, typer.Option("--new-mapping", help="Take the definition's mapping instead of the month's own.")
    ] = False,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Move a month to a new index of the same name; dry without --apply.

    The new index has the shards, the replicas and the codec that the definition states now, and the format of the
    OpenSearch that runs now. Readers find every row at any time. The old index is deleted once every row was read back
    from the new one, bit for bit the same. An interrupted rewrite is finished by the next one.
    """
    from opensearch_strata.history.copy.rewrite import rewrite_month
    from opensearch_strata.presentation.history_copy import rewritten_table

    definition = find_dataset(dataset, datasets_dir)
    with connected(url, ca_certs) as client:
        done = rewrite_month(client, definition, month, apply=apply, new_mapping=new_mapping, on_step=_tell)
    if as_json:
        print_json({"dataset": dataset, "applied": apply, **asdict(done)})
    else:
        print_table(rewritten_table(done))
        if not apply:
            say("Nothing was changed; run it again with --apply.")


def _tell(step: str) -> None:
    note(f"{step[0].upper()}{step[1:]}.")
