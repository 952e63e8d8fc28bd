"""``strata expire`` and ``strata cycle``: what leaves the window, and the whole daily cycle."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from opensearch_strata.cli.connection import connected, find_dataset
from opensearch_strata.cli.options import AsJson, CaCerts, DatasetName, DatasetsDir, Day, Engine, Url, read_day
from opensearch_strata.cli.output import fail, note, print_json, print_table, progress_of, say

if TYPE_CHECKING:
    from opensearch_strata.cycle import Retirement
    from opensearch_strata.dataset import Dataset
    from opensearch_strata.retention import Expired

Apply = Annotated[bool, typer.Option("--apply", help="Delete what is proven. Without it deletions are only shown.")]


def expire(
    dataset: DatasetName,
    *,
    day: Annotated[
        date, typer.Option("--day", metavar="DAY", parser=read_day, help="Newest day of the window, YYYY-MM-DD.")
    ],
    url: Url,
    apply: Apply = False,
    engine: Engine = None,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Delete raw days that have left the window; dry without --apply.

    Each goes behind its own proof, for which --apply condenses late documents first. A day that cannot be proven is
    kept, and the exit code is 1.
    """
    from opensearch_strata.cycle import retire_expired
    from opensearch_strata.retention import list_expired

    definition = find_dataset(dataset, datasets_dir)
    retirements = []
    with connected(url, ca_certs) as client:
        expired = list_expired(client, definition, day, datetime.now(UTC))
        for retired in retire_expired(client, definition, expired, day, apply=apply, engine=engine):
            _tell_retired(retired)
            retirements.append(retired)
    if as_json:
        waiting = {"postponed": expired.postponed, "undated": expired.undated}
        days = [asdict(retired) for retired in retirements]
        print_json({"dataset": dataset, "day": day, "applied": apply, "expired": days, **waiting})
    else:
        _print_expired(definition, day, retirements, expired, apply)
    if kept := [retired.index for retired in retirements if retired.outcome == "kept"]:
        fail(f"Not proven, and therefore kept: {', '.join(kept)}.")
        raise typer.Exit(1)


def _tell_retired(retired: Retirement) -> None:
    shown = retired.note or "proven; would be deleted."
    note(f"{retired.index}: {shown if retired.outcome == 'dry_run' else f'{retired.outcome}.'}")


def _print_expired(dataset: Dataset, day: date, retirements: list[Retirement], expired: Expired, apply: bool) -> None:
    from opensearch_strata.tables import expiry_table

    if not retirements:
        window = f"the window of {dataset.raw.window_days} days that ends with {day}"
        say(f"No raw day of {dataset.name} is older than {window}.")
    else:
        print_table(expiry_table(dataset.name, retirements))
    if expired.postponed:
        most = dataset.cycle.max_deletes_per_run
        say(f"At most {most} leave in one run; these wait for the next: {', '.join(expired.postponed)}.")
    if expired.undated:
        say(f"These match {dataset.raw.index} but hold no date, and are never touched: {', '.join(expired.undated)}.")
    if not apply and any(retired.outcome == "dry_run" for retired in retirements):
        say("Nothing was deleted; run it again with --apply to delete what is proven.")


def cycle(
    dataset: DatasetName,
    day: Day,
    *,
    url: Url,
    apply: Apply = False,
    engine: Engine = None,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Condense, prove and expire: the daily DAG in one command.

    The day itself is condensed and proven in any case; --apply is about the deletions alone.
    """
    from opensearch_strata.cycle import run_cycle
    from opensearch_strata.history.raw_day import inspect_raw_day

    definition = find_dataset(dataset, datasets_dir)
    with connected(url, ca_certs) as client:
        raw = inspect_raw_day(client, definition, day)
        with progress_of(definition.raw_index(day), raw.documents if raw else 0) as on_documents:
            run = run_cycle(
                client,
                definition,
                day,
                datetime.now(UTC),
                apply=apply,
                engine=engine,
                on_documents=on_documents,
                on_retired=_tell_retired,
            )
    if as_json:
        print_json(run.report.as_json())
    else:
        from opensearch_strata.tables import report_table

        print_table(report_table(run.report))
        say(run.report.verdict)
    if run.failed:
        kept = [retired.index for retired in run.retirements if retired.outcome == "kept"]
        fail(run.problem or f"Not proven, and therefore kept: {', '.join(kept)}.")
        raise typer.Exit(1)
