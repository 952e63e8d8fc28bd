"""``strata parse``: show what is in an object of an archive, and why it would not load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opensearch_strata.cli.connection import find_dataset
from opensearch_strata.cli.options import DatasetsDir, dataset_names
from opensearch_strata.cli.output import fail, note, print_json, say, write_lines
from opensearch_strata.definition.extensions import BUILT_IN, Kind, extensions, known

if TYPE_CHECKING:
    from opensearch_strata.cli.commands.findings import Findings
    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.definition.loading.intake import Intake

_BLOCK = 2**20


def _existing(file: str) -> str:
    if file != "-" and not Path(file).is_file():
        raise typer.BadParameter(f"there is no file {file!r}.")
    return file


def _names(kind: Kind, incomplete: str) -> list[str]:
    return [name for name in (*BUILT_IN[kind], *extensions(kind)) if name.startswith(incomplete)]


def _known(kind: Kind) -> Callable[[str | None], str | None]:
    """Build a callback that accepts the name of an existing format or parser."""

    def checked(name: str | None) -> str | None:
        try:
            return name and known(kind, name)
        except ValueError as error:
            raise typer.BadParameter(f"{error}.") from None

    return checked


def parse(
    file: Annotated[str, typer.Argument(metavar="FILE|-", callback=_existing, help="The object; - is standard input.")],
    *,
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            callback=_known("format"),
            autocompletion=lambda incomplete: _names("format", incomplete),
            help=f"Format of the object: {', '.join(BUILT_IN['format'])}, or one that is installed. Default: the "
            "dataset's, otherwise the content decides.",
        ),
    ] = None,
    parser: Annotated[
        str | None,
        typer.Option(
            "--parser",
            metavar="PARSER",
            callback=_known("parser"),
            autocompletion=lambda incomplete: _names("parser", incomplete),
            help=f"Parser of the messages: {', '.join(BUILT_IN['parser'])}, or one that is installed. Default: the "
            "dataset's, otherwise log group and content decide.",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            metavar="DATASET",
            autocompletion=dataset_names,
            help="Show documents as this dataset would index them, and the events that its rules leave out. Without an "
            "event id from CloudWatch, the real _id is different, because it depends on bucket and key.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Stop after N events.")] = None,
    stats: Annotated[bool, typer.Option("--stats", help="Show only what was recognised, on stdout.")] = False,
    datasets_dir: DatasetsDir = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each event as one line of JSON; with --stats, one JSON value.")
    ] = False,
) -> None:
    """Show the events of any object of an archive and, on stderr, what was recognised.

    Needs no cluster. Broken records are reported and counted; the exit code is
    1 only if nothing could be read.
    """
    from opensearch_strata.archive.decode.layers import TooLarge
    from opensearch_strata.archive.decode.object_reader import Reading
    from opensearch_strata.archive.parsers.registry import begins_of
    from opensearch_strata.cli.commands.findings import Findings, documents_view, events_view, json_line_of, line_of

    definition = _definition(dataset, datasets_dir, format_name, parser)
    intake = definition.intake if definition else _intake(None, format_name, parser)
    modified = _modified(file)
    view = documents_view(definition, file, modified) if definition else events_view(intake, file, modified)
    findings = Findings(Reading(_blocks(file), intake.format, begins_of(intake, file), unwrap=intake.unwrap), view)
    try:
        line = json_line_of if as_json else line_of
        write_lines(line(shown) for shown in islice(findings, limit) if not stats)
    except TooLarge as error:
        findings.add_problem(str(error))
    if stats and as_json:
        print_json(findings.summary())
    else:
        for sentence in _told(findings):
            say(sentence) if stats else note(sentence)
    if findings.broken and not (findings.events or findings.unwanted):
        fail(f"Nothing in {file} could be read.")
        raise typer.Exit(1)


def _definition(name: str | None, folder: Path | None, format_name: str | None, parser: str | None) -> Dataset | None:
    """Return a dataset with the requested format and parser."""
    if name is None:
        return None
    dataset = find_dataset(name, folder)
    return dataset.model_copy(update={"intake": _intake(dataset, format_name, parser)})


def _intake(dataset: Dataset | None, format_name: str | None, parser: str | None) -> Intake:
    from opensearch_strata.definition.loading.intake import Intake

    intake = dataset.intake if dataset else Intake()
    if format_name:
        intake = intake.model_copy(update={"format": format_name})
    if parser:  # for everything in the object
        intake = intake.model_copy(update={"parser": parser, "parsers": {}})
    return intake


def _modified(file: str) -> int | None:
    """Return the last change of a file in epoch milliseconds, as S3 reports it for an object."""
    return None if file == "-" else int(Path(file).stat().st_mtime * 1000)


def _blocks(file: str) -> Iterator[bytes]:
    with nullcontext(typer.get_binary_stream("stdin")) if file == "-" else Path(file).open("rb") as source:
        while block := source.read(_BLOCK):
            yield block


def _told(findings: Findings) -> Iterator[str]:
    """Yield lines for people on what was recognised."""
    summary = findings.summary()
    parsers = ", ".join(f"{name} ({count:,})" for name, count in findings.parsers.most_common())
    yield f"Layers:   {' > '.join(summary['layers']) or 'none'}"
    yield f"Format:   {summary['format'] or 'unknown'}"
    yield f"Parsers:  {parsers or 'none'}"
    yield f"Events:   {findings.events:,}, filtered {findings.filtered:,}, broken {findings.broken:,}"
    for rule, count in findings.unwanted.most_common():
        yield f"Left out: {count:,} by {rule}"
    if summary["first"]:
        yield f"Times:    {summary['first']} to {summary['last']}"
    yield from findings.reading.notes
    yield from findings.problems
    if (more := findings.broken - len(findings.problems)) > 0:
        yield f"{more:,} more could not be read."
