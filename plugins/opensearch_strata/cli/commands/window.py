"""``strata expire`` and ``strata cycle``: days that leave the window, and the whole daily cycle."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from opensearch_strata.cli.connection import connected, find_dataset
from opensearch_strata.cli.options import AsJson, CaCerts, DatasetName, DatasetsDir, Day, Engine, Url, read_day
from opensearch_strata.cli.output import fail, note, print_json, print_table, progress_of, say
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.workflows.cycle import Retirement
    from opensearch_strata.workflows.expired import Expired
    from opensearch_strata.workflows.history_copy.cycle_copies import Copies

Apply = Annotated[
    bool,
    typer.Option(
        "--apply",
        help="Delete what is proven, if the dataset allows it (cycle.delete). Without it, deletions are only shown.",
    ),
]


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
    """Delete raw days that have left the window; a dry run without --apply.

    Each day is deleted only after its own proof; with --apply, late documents
    are condensed first. A day that cannot be proven is kept, and the exit code
    is 1. It is also 1 with --apply if the dataset does not allow deletions, or
    if the history's second copy of a day could not be written.
    """
    from opensearch_strata.definition.consent import consent_of
    from opensearch_strata.history.raw_day.policies import policies_over
    from opensearch_strata.presentation.tables import some_names
    from opensearch_strata.workflows.cycle import retire_expired
    from opensearch_strata.workflows.cycle_report import question
    from opensearch_strata.workflows.expired import list_expired
    from opensearch_strata.workflows.history_copy.cycle_copies import Copies

    definition = find_dataset(dataset, datasets_dir)
    retirements = []
    with connected(url, ca_certs) as client:
        expired = list_expired(client, definition, day, datetime.now(UTC))
        for danger in policies_over(client, definition).dangers:
            note(danger)
        for index, why in expired.wanted.items():
            note(f"{index} stays: {why}.")
        for retired in retire_expired(client, definition, expired, day, apply=apply, engine=engine):
            _tell_retired(retired)
            retirements.append(retired)
    waiting = list(expired.indices)[len(retirements) :]
    copies = Copies(dataset).with_days(retired.copy for retired in retirements)
    if copies.missing:
        note(copies.missing)
    asks = question(definition, any_expired=bool(expired.indices), shown=bool(retirements))
    if as_json:
        more = {"postponed": waiting, "wanted": expired.wanted, "undated": expired.undated, "asks": asks}
        days = [asdict(retired) for retired in retirements]
        applied = apply and consent_of(definition).given
        print_json({"dataset": dataset, "day": day, "applied": applied, "expired": days, **more})
    else:
        _print_expired(definition, day, retirements, expired)
        _tell_copies(copies, day)
        if waiting:
            most = counted(definition.cycle.max_deletes_per_run, "day")
            say(f"One run deletes at most {most}; these wait for the next: {some_names(waiting)}.")
        if asks and not apply:
            say(asks)
        elif not apply and any(retired.outcome == "dry_run" for retired in retirements):
            say("Nothing was deleted; run this again with --apply to delete what is proven.")
    kept = [retired.index for retired in retirements if retired.outcome == "kept"]
    if kept:
        fail(f"Kept, each for the reason shown with it: {some_names(kept)}.")
    if asks and apply:
        fail(asks)
    if copies.problem:
        fail(copies.problem)
    if kept or copies.problem or (asks and apply):
        raise typer.Exit(1)


def _tell_retired(retired: Retirement) -> None:
    would = f" would be deleted: {retired.note or 'it is proven.'}"
    note(f"{retired.index}{would if retired.outcome == 'dry_run' else f': {retired.outcome}.'}")


def _print_expired(dataset: Dataset, day: date, retirements: list[Retirement], expired: Expired) -> None:
    from opensearch_strata.presentation.tables import expiry_table, some_names

    if not retirements:
        window = f"the window of {counted(dataset.raw.window_days, 'day')} that ends with {day}"
        but = " other than those that are still wanted" if expired.wanted else ""
        say(f"No raw day of {dataset.name}{but} is older than {window}.")
    else:
        print_table(expiry_table(dataset.name, retirements))
    if expired.undated:
        names = some_names(expired.undated)
        say(f"These match {dataset.raw.index} but contain no date, so they are never touched: {names}.")


def _tell_copies(copies: Copies, day: date) -> None:
    """Print what became of the history's second copy; nothing if the dataset has no archive."""
    from opensearch_strata.presentation.history_copy import copied_table

    if told := copies.worth_a_word(day):
        print_table(copied_table(copies.dataset, told))


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

    The day itself is condensed and proven in any case; --apply affects only
    the deletions. If the dataset has an archive, the history's second copy
    is brought up to date at the end.
    """
    from opensearch_strata.presentation.tables import some_names
    from opensearch_strata.workflows.cycle import run_cycle

    definition = find_dataset(dataset, datasets_dir)
    with (
        connected(url, ca_certs) as client,
        progress_of(definition.raw_index(day), _documents(client, definition, day)) as on_documents,
    ):
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
    if run.copies.missing:
        note(run.copies.missing)
    if as_json:
        print_json({**run.report.as_json(), "copies": [asdict(copied) for copied in run.copies.worth_a_word(day)]})
    else:
        from opensearch_strata.presentation.tables import report_table

        print_table(report_table(run.report))
        _tell_copies(run.copies, day)
        say(run.report.verdict)
        if behind := run.report.uncondensed:
            cure = f"strata condense {definition.name} DAY"
            say(f"Raw days in the window that are not fully condensed: {some_names(behind)}. Condense each: {cure}.")
        if run.report.asks and not apply:
            say(run.report.asks)
    if run.problem:
        fail(run.problem)
    if kept := [retired.index for retired in run.retirements if retired.outcome == "kept"]:
        fail(f"Kept, each for the reason shown with it: {some_names(kept)}.")
    if run.report.asks and apply:
        fail(run.report.asks)
    if run.copies.problem:
        fail(run.copies.problem)
    if run.failed:
        raise typer.Exit(1)


def _documents(client: OpenSearch, dataset: Dataset, day: date) -> int:
    """Count the documents to condense, for the progress bar; 0 if they cannot be counted, which the cycle reports."""
    from opensearchpy import OpenSearchException

    from opensearch_strata.errors import StrataError
    from opensearch_strata.history.raw_day.inspection import inspect_raw_day

    try:
        raw = inspect_raw_day(client, dataset, day)
    except (StrataError, OpenSearchException):
        return 0
    return raw.documents if raw else 0
