"""``strata archive`` and ``strata archives``: raw days to S3, and what is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from opensearch_strata.cli.connection import connected, find_dataset
from opensearch_strata.cli.options import (
    AsJson,
    CaCerts,
    DatasetName,
    DatasetsDir,
    Engine,
    OptionalFirst,
    OptionalLast,
    Url,
    read_day,
)
from opensearch_strata.cli.output import fail, note, print_json, print_table, progress_of, say, write_text

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.workflows.archiving import ArchivedDay
    from opensearch_strata.workflows.history_copy.export import CopiedDay

OptionalDay = Annotated[date | None, typer.Option("--day", metavar="DAY", parser=read_day, help="One raw day.")]


def archive(
    dataset: DatasetName,
    *,
    day: OptionalDay = None,
    first: OptionalFirst = None,
    last: OptionalLast = None,
    url: Url,
    apply: Annotated[
        bool, typer.Option("--apply", help="Archive. Without it, the size of each archive is estimated.")
    ] = False,
    engine: Engine = None,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Archive raw days in S3, each proven against the index; dry without --apply.

    A day's rows are proven first, and the history's second copy of the day is brought up to date. A day whose archive
    holds the very same documents is not written again. The exit code is 1 if a day was refused, or if there was no
    raw day to archive.
    """
    from opensearch_strata.archive.store.objects import build_s3
    from opensearch_strata.errors.judging import explain
    from opensearch_strata.presentation.archives import archive_table
    from opensearch_strata.presentation.history_copy import copied_table
    from opensearch_strata.workflows.archives import raw_days_between
    from opensearch_strata.workflows.archiving import settings_of
    from opensearch_strata.workflows.history_copy.cycle_copies import Copies

    definition = find_dataset(dataset, datasets_dir)
    settings_of(definition)
    span = _span(day, first, last)
    done: list[dict[str, Any]] = []
    copied: list[CopiedDay | None] = []
    with connected(url, ca_certs) as client:
        s3 = build_s3()
        for each in [day] if day else raw_days_between(client, definition, *span):
            try:
                if apply:
                    found = _archived(client, s3, definition, each, engine, copied.append)
                else:
                    found = _estimated(client, s3, definition, each)
            except Exception as error:  # noqa: BLE001 - whatever it is, it keeps no other day
                found = {"day": each, "outcome": "refused", "note": explain(error)}
                note(f"{definition.raw_index(each)}: {found['note']}")
            if found:
                done.append(found)
    copies = Copies(dataset).with_days(copied)
    if copies.missing:
        note(copies.missing)
    if as_json:
        print_json({"dataset": dataset, "applied": apply, "days": done, "copies": [asdict(one) for one in copies.days]})
    else:
        if done:
            print_table(archive_table(dataset, done))
        if copies.days:
            print_table(copied_table(dataset, copies.days))
        if done and not apply:
            say("The sizes are estimates from a sample. Nothing was written; run it again with --apply to archive.")
    if refused := [str(one["day"]) for one in done if one["outcome"] == "refused"]:
        fail(f"Not archived, each for the reason above: {', '.join(refused)}.")
    if not done:
        fail(_nothing(definition, span))
    if copies.problem:
        fail(copies.problem)
    if refused or copies.problem or not done:
        raise typer.Exit(1)


def _span(day: date | None, first: date | None, last: date | None) -> tuple[date, date]:
    """First and last day.

    :raises BadParameter: the options do not name a range
    """
    if day and not (first or last):
        return day, day
    if day or not first or not last:
        raise typer.BadParameter("Give either --day, or --from and --to.")
    if last < first:
        raise typer.BadParameter(f"--from {first} is later than --to {last}; swap them.")
    return first, last


def _archived(
    client: OpenSearch,
    s3: Any,
    dataset: Dataset,
    day: date,
    engine: Any,
    on_copied: Callable[[CopiedDay | None], None],
) -> dict[str, Any] | None:
    from opensearch_strata.history.levels.prove import prove
    from opensearch_strata.workflows.archiving import archive_day
    from opensearch_strata.workflows.history_copy.cycle_copies import copy_proven

    index = dataset.raw_index(day)
    proof = prove(client, dataset, day, engine=engine)
    if proof.state in ("missing", "empty"):
        note(f"{index} {'does not exist' if proof.state == 'missing' else 'is empty'}; there is nothing to archive.")
        return None
    on_copied(copy_proven(client, dataset, proof, lambda: s3))
    with progress_of(index, proof.raw.documents if proof.raw else 0) as on_documents:
        done = archive_day(client, s3, dataset, proof, lambda step, count: on_documents(count * (step == "export")))
    _tell(done)
    return {
        "day": day,
        "outcome": done.outcome,
        "documents": done.manifest.documents,
        "objects": len(done.manifest.objects),
        "bytes": sum(one.bytes for one in done.manifest.objects),
        "stored_bytes": done.stored_bytes,
        "generation": done.manifest.generation,
        "manifest": done.proven.url,
    }


def _tell(done: ArchivedDay) -> None:
    note(f"{done.index}: {done.outcome}, {done.proven.url}")


def _estimated(client: OpenSearch, s3: Any, dataset: Dataset, day: date) -> dict[str, Any] | None:
    from opensearch_strata.workflows.archives import estimate_day

    found = estimate_day(client, s3, dataset, day)
    return asdict(found) if found else None


def _nothing(dataset: Dataset, span: tuple[date, date]) -> str:
    first, last = span
    asked = f"{first}" if first == last else f"{first} .. {last}"
    return f"{dataset.name} has no raw day with documents in {asked}: there is nothing to archive."


class ListIsDefault(TyperGroup):
    """``strata archives DATASET`` is ``strata archives list DATASET``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put ``list`` before a word that is not a command."""
        return super().resolve_command(ctx, args if args and args[0] in self.commands else ["list", *args])


archives = typer.Typer(cls=ListIsDefault, no_args_is_help=True)


@archives.command("list")
def list_archives(
    dataset: DatasetName,
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every object and compare what it holds with its manifest.")
    ] = False,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what is archived: each day, when it was proven, its size, and whether its objects are still there.

    Exit code 1 if the archive of a day is not what was proven.
    """
    from opensearch_strata.archive.store.objects import build_s3
    from opensearch_strata.presentation.archives import states_table
    from opensearch_strata.workflows.archives import archive_states

    definition = find_dataset(dataset, datasets_dir)
    with progress_of(f"archives of {dataset}", 0) as on_documents:
        states = list(archive_states(build_s3(), definition, deep=deep, on_documents=on_documents))
    if as_json:
        print_json({"dataset": dataset, "deep": deep, "days": [asdict(state) for state in states]})
    elif states:
        print_table(states_table(dataset, states, deep=deep))
    else:
        say(f"No day of {dataset} is archived.")
    if wrong := [str(state.day) for state in states if state.problem]:
        fail(f"Not what was proven, each for the reason in the table: {', '.join(wrong)}.")
        raise typer.Exit(1)


@archives.command("ddl")
def ddl(
    dataset: DatasetName,
    *,
    engine: Annotated[Literal["athena", "duckdb", "spark"], typer.Option("--for", help="What reads the archive.")],
    datasets_dir: DatasetsDir = None,
) -> None:
    """Print the statement that makes the archive a table where it lies."""
    from opensearch_strata.archive.export.statements import table_statement
    from opensearch_strata.workflows.archiving import settings_of

    definition = find_dataset(dataset, datasets_dir)
    write_text(table_statement(engine, definition.name, settings_of(definition)) + "\n")
