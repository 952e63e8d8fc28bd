"""Arguments and options that several commands share, and how their values are parsed."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

# Copies of the dataset module's EngineName and Codec, as importing pydantic would double the time of `strata --help`.
EngineChoice = Literal["auto", "transform_job", "search"]
CodecChoice = Literal["default", "best_compression", "zstd", "zstd_no_dict"]

_PANEL = "Connection and output"


def read_day(text: str) -> date:
    """Parse a calendar day.

    :raises BadParameter: the text is not exactly YYYY-MM-DD
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or str(day) != text:  # fromisoformat also reads 20130105 and 2013-W01-6
        raise typer.BadParameter(f"{text!r} is not a day; write it like 2013-01-05.")
    return day


def read_moment(text: str) -> date:
    """Parse a day, or a date-time with or without an offset.

    :returns: a plain date, or a :class:`datetime`
    :raises BadParameter: the text has another form
    """
    if len(text) <= len("2013-01-05"):
        return read_day(text)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a time; write 2013-01-05, 2013-01-05T06:00 or 2013-01-05T06:00Z."
        ) from None


def split_names(values: list[str] | None) -> list[str]:
    """Split names that were given one by one or separated by commas."""
    return [name for value in values or () for name in value.split(",")]


def split_stats(values: list[str] | None) -> list[str]:
    """Split names of statistics, and check the form of each.

    :raises BadParameter: a name has another form
    """
    from opensearch_strata.history.query.question import is_stat

    stats = split_names(values)
    if unknown := [stat for stat in stats if not is_stat(stat)]:
        raise typer.BadParameter(
            f"{unknown[0]!r} is not one of min, max, sum, count, avg and top, nor a percentile such as p99."
        )
    return stats


def check_interval(text: str | None) -> str | None:
    """Check the form of an interval, and return it as it was written.

    :raises BadParameter: the interval has another form
    """
    from opensearch_strata.errors import Refused
    from opensearch_strata.history.query.intervals import Interval

    try:
        return Interval.parse(text).text if text else None
    except Refused as error:
        raise typer.BadParameter(str(error)) from None


def check_where(pairs: list[str] | None) -> list[str]:
    """Check pairs FIELD=VALUE, each field once, and return them as they were written.

    :raises BadParameter: a pair has another form, or a field is named twice
    """
    fields = [pair.partition("=")[0] for pair in pairs or ()]
    for pair, field in zip(pairs or (), fields, strict=True):
        if not field or "=" not in pair:
            raise typer.BadParameter(f"{pair!r} is not of the form FIELD=VALUE.")
        if fields.count(field) > 1:
            raise typer.BadParameter(f"{field!r} is named more than once; query each value separately, or use --by.")
    return list(pairs or ())


def dataset_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of valid datasets, for shell completion."""
    from opensearch_strata.definition.files import datasets_dir, load_definitions

    folder = ctx.params.get("datasets_dir") or datasets_dir()
    return [name for name in load_definitions(Path(folder)).datasets if name.startswith(incomplete)]


DatasetName = Annotated[
    str, typer.Argument(metavar="DATASET", help="Name of the dataset.", autocompletion=dataset_names)
]
Day = Annotated[date, typer.Argument(metavar="DAY", parser=read_day, help="The raw day, YYYY-MM-DD.")]
FirstDay = Annotated[date, typer.Option("--from", metavar="DAY", parser=read_day, help="First day, YYYY-MM-DD.")]
LastDay = Annotated[date, typer.Option("--to", metavar="DAY", parser=read_day, help="Last day, inclusive.")]
OptionalFirst = Annotated[date | None, typer.Option("--from", metavar="DAY", parser=read_day, help="First day.")]
OptionalLast = Annotated[date | None, typer.Option("--to", metavar="DAY", parser=read_day, help="Last day, included.")]
Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="OPENSEARCH_URL",
        metavar="URL",
        help="OpenSearch, such as https://host:9200. A login is taken from this URL, or from OPENSEARCH_USERNAME and "
        "OPENSEARCH_PASSWORD. Without a login, requests to AWS hosts are signed (SigV4), using AWS_PROFILE and "
        "AWS_REGION; for a domain name of your own, set OPENSEARCH_AWS_SERVICE to es or aoss.",
        rich_help_panel=_PANEL,
    ),
]
OptionalUrl = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Also compare the newest raw day in this OpenSearch. Setting OPENSEARCH_URL alone does not request this.",
        rich_help_panel=_PANEL,
    ),
]
CaCerts = Annotated[
    Path | None,
    typer.Option(
        "--ca-certs",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Certificates (PEM) to trust. Default: the usual public authorities.",
        rich_help_panel=_PANEL,
    ),
]
DatasetsDir = Annotated[
    Path | None,
    typer.Option(
        "--datasets-dir",
        metavar="FOLDER",
        exists=True,
        file_okay=False,
        help="Folder of the dataset files. Default: the first of the usual places that exists (see strata check).",
        rich_help_panel=_PANEL,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON value, and nothing else, on stdout.", rich_help_panel=_PANEL)
]
Engine = Annotated[
    EngineChoice | None,
    typer.Option("--engine", help="An Index Management job, or searches by Strata. Default: the dataset's."),
]

# Every command takes --engine, so that a script can pass the same options to all; those with this one condense nothing.
AnyEngine = Annotated[EngineChoice | None, typer.Option("--engine", hidden=True)]
