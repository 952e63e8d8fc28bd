"""``strata status`` and ``strata query``: where the days are, and what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opensearch_strata.cli.connection import connected, find_dataset
from opensearch_strata.cli.options import (
    AnyEngine,
    AsJson,
    CaCerts,
    DatasetName,
    DatasetsDir,
    Url,
    check_interval,
    check_where,
    read_moment,
    split_names,
    split_stats,
)
from opensearch_strata.cli.output import json_list, note, print_json, print_table, progress_through, say

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    import pandas as pd

    from opensearch_strata.cli.output import ShareShown
    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.history.verify.coverage import DayCoverage


def status(
    dataset: DatasetName,
    *,
    url: Url,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
    _engine: AnyEngine = None,
) -> None:
    """Show where each day is: raw, in history, in both, or in both with differences."""
    from opensearch_strata.definition.days import newest_complete
    from opensearch_strata.history.verify.coverage import coverage

    definition = find_dataset(dataset, datasets_dir)
    with connected(url, ca_certs) as client:
        days = coverage(client, definition)
    yesterday = newest_complete(datetime.now(UTC), definition.zone)
    behind = [day for day in days if day.place in ("raw", "differs") and day.day < yesterday]
    if as_json:
        records = [_day_json(day) for day in days]
        print_json({"dataset": dataset, "days": records, "uncondensed": [day.day for day in behind]})
        return
    from opensearch_strata.presentation.tables import coverage_table

    print_table(coverage_table(dataset, days))
    for problem in (day.problem for day in days if day.problem):
        say(f"Cannot be read, and is therefore never deleted: {problem}")
    if going_on := [f"{day.day}" for day in days if day.day > yesterday]:
        say(f"Not over yet, so the pages in Airflow do not count: {', '.join(going_on)}")
    say(
        _behind(dataset, behind)
        if days
        else f"Nothing is known about {dataset}: no index has the name of one of its days."
    )


def _day_json(day: DayCoverage) -> dict[str, Any]:
    return {
        "day": day.day,
        "place": day.place,
        "raw_documents": day.raw_documents,
        "raw_bytes": day.raw_bytes,
        "rows": day.rows,
        "carried": day.carried,
        "history_bytes": day.history_bytes,
        "problem": day.problem,
    }


def _behind(dataset: str, behind: Sequence[DayCoverage]) -> str:
    if not behind:
        return "Every raw day before yesterday is condensed, and its rows count the same documents."
    first = behind[0]
    cure = (
        f"strata condense {dataset} {first.day}"
        if first.place == "raw"
        else f"strata verify {dataset} {first.day} --repair"
    )
    span = f"{first.day}" if len(behind) == 1 else f"{len(behind)} days from {first.day} to {behind[-1].day}"
    return f"Not condensed, or different from their rows: {span}. Start with: {cure}"


def query(
    dataset: DatasetName,
    *,
    start: Annotated[
        date,
        typer.Option(
            "--from",
            metavar="TIME",
            parser=read_moment,
            help="Start: a day, or a date-time such as 2013-01-05T06:00, in the dataset's time zone unless it has an "
            "offset. If it cuts a bucket, that bucket is read from raw documents.",
        ),
    ],
    end: Annotated[
        date,
        typer.Option(
            "--to",
            metavar="TIME",
            parser=read_moment,
            help="End: a day is included in full, a date-time is exclusive.",
        ),
    ],
    metric: Annotated[
        list[str],
        typer.Option("--metric", metavar="METRIC,...", callback=split_names, help="Metrics of the dataset."),
    ],
    stat: Annotated[
        list[str],
        typer.Option(
            "--stat",
            metavar="STAT,...",
            callback=split_stats,
            help="Any of min, max, sum, count, avg, percentiles such as p50 or p99.9; top for metrics with top_values, "
            "distinct for metrics with distinct.",
        ),
    ],
    url: Url,
    interval: Annotated[
        str | None,
        typer.Option(
            "--interval",
            metavar="LENGTH",
            callback=check_interval,
            help="Length of a record: 15m, 1h, 6h, 1d or 1M. Default: the whole span in one record.",
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="FIELD", callback=split_names, help="One record for each value of a group field."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="FIELD=VALUE", callback=check_where, help="Only this value of a group field."),
    ] = None,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
    _engine: AnyEngine = None,
) -> None:
    """Query statistics and quantiles, from raw days and history alike.

    The last column shows where a record comes from. A raw day is read from
    history once it is condensed and verified.
    """
    from opensearch_strata.reader import read_pages

    definition = find_dataset(dataset, datasets_dir)
    with connected(url, ca_certs) as client, progress_through(dataset) as progress:
        pages = read_pages(
            client,
            definition,
            begin_of(start, definition.zone),
            end_of(end, definition.zone),
            metrics=metric,
            stats=stat,
            interval=interval,
            by=by or (),
            where=dict(pair.split("=", 1) for pair in where or ()),
            on_progress=progress.show,
            on_note=note,
        )
        shown = _print_json_pages(pages, progress) if as_json else _print_tables(definition, metric, pages, progress)
    if not shown:
        note("Nothing was found: there are events around this span, but it contains none that match.")


def _print_json_pages(pages: Iterable[pd.DataFrame], progress: ShareShown) -> int:
    shown = 0
    with json_list() as add:
        for page in pages:
            progress.clear()
            add([dict(zip(("time", *page.columns), record, strict=True)) for record in _records(page)])
            shown += len(page)
    return shown


def _print_tables(dataset: Dataset, metrics: Sequence[str], pages: Iterable[pd.DataFrame], progress: ShareShown) -> int:
    from opensearch_strata.presentation.tables import Table

    title = f"{', '.join(metrics)} of {dataset.name}"
    shown = 0
    for page in pages:
        progress.clear()
        columns = ("time", *(_with_unit(dataset, str(column)) for column in page.columns))
        rows = [(time.isoformat(" ", "minutes"), *map(_shown, page.columns, rest)) for time, *rest in _records(page)]
        print_table(Table(title if not shown else f"{title}, continued", columns, rows))
        shown += len(page)
    return shown


def _records(page: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return time and values of each record; None for missing values."""
    columns = [page.index.to_pydatetime()]
    columns += [page[name].astype(object).where(page[name].notna(), None) for name in page.columns]
    return list(zip(*columns, strict=True))


def _with_unit(dataset: Dataset, column: str) -> str:
    """Return a column's name with its unit; counts have none."""
    metric, _, stat = column.rpartition(".")
    unit = dataset.metrics[metric].unit if metric in dataset.metrics and stat != "count" else None
    return f"{column} [{unit}]" if unit else column


def begin_of(moment: date, zone: ZoneInfo) -> datetime:
    """Return the start of a span: the first moment of a day, or the date-time itself."""
    from opensearch_strata.definition.days import day_bounds

    if isinstance(moment, datetime):
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return day_bounds(moment, zone)[0]


def end_of(moment: date, zone: ZoneInfo) -> datetime:
    """Return the exclusive end of a span: the end of a whole day, or the date-time itself."""
    from opensearch_strata.definition.days import day_bounds

    return begin_of(moment, zone) if isinstance(moment, datetime) else day_bounds(moment, zone)[1]


def _shown(column: str, value: Any) -> Any:
    """Show averages and quantiles with six digits; more would be noise, given a quantile's relative error."""
    if isinstance(value, dict):
        values = [
            f"{name}: {low:,}{f' to {high:,}' if high > low else ''}" for name, (low, high) in value["values"].items()
        ]
        return ", ".join([*values, *([f"others: {value['rest']:,}"] if value["rest"] else [])])
    is_plain = column.endswith((".min", ".max", ".sum", ".count"))
    return value if is_plain or not isinstance(value, float) else float(f"{value:.6g}")
