"""``strata template``: an index template for those who write raw days."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from opensearch_strata.cli.connection import connected, find_dataset
from opensearch_strata.cli.options import AsJson, CaCerts, CodecChoice, DatasetName, DatasetsDir, OptionalUrl
from opensearch_strata.cli.output import note, print_json, say, write_text

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.archive.targets.templates.day_template import DayForm
    from opensearch_strata.definition.dataset import Dataset

_REFRESH = re.compile(r"-1|\d+(ms|s|m|h|d)")
"""https://docs.opensearch.org/latest/api-reference/common-parameters/ (time units)"""


def check_refresh(text: str) -> str:
    """Check the form of a time after which documents are searchable, and return it as it was written.

    :raises BadParameter: the server would not read it
    """
    if not _REFRESH.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is not a length of time; write it like 30s, 500ms or -1 (never).")
    return text


def template(
    dataset: DatasetName,
    url: OptionalUrl = None,
    *,
    shards: Annotated[int, typer.Option("--shards", min=1, help="Primary shards of a raw day.")] = 1,
    replicas: Annotated[int, typer.Option("--replicas", min=0, help="Replicas of each shard.")] = 1,
    refresh: Annotated[
        str, typer.Option("--refresh", callback=check_refresh, help="Time after which documents are searchable.")
    ] = "30s",
    codec: Annotated[
        CodecChoice, typer.Option("--codec", help="Codec of stored documents; zstd needs the custom codecs plugin.")
    ] = "best_compression",
    sort: Annotated[
        bool, typer.Option("--sort/--no-sort", help="Sort segments by group and time: smaller, quicker to condense.")
    ] = True,
    priority: Annotated[
        int, typer.Option("--priority", min=0, help="Of two templates that match a name, the higher one counts.")
    ] = 200,
    replace: Annotated[
        list[str] | None,
        typer.Option(
            "--replace",
            metavar="TEMPLATE",
            help="A template that counts now and whose parts this one may undo; repeat for others.",
        ),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write it to the cluster. Without it, it is printed.")] = False,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Print or write the index template for a dataset's raw days.

    Producers create a raw day by writing to it; the template gives it the types that condensing needs. Days that exist
    stay as they are. With --url, the fields of the newest raw day are compared, the server checks the template, and
    other templates that match these days are named.
    """
    from opensearch_strata.archive.targets.templates.day_template import (
        DayForm,
        day_template,
        template_name,
        undecided_fields,
    )

    definition = find_dataset(dataset, datasets_dir)
    form = DayForm(shards, replicas, refresh, codec, sort, priority)
    if apply and not url:
        raise typer.BadParameter("--apply needs the cluster: add --url, or set OPENSEARCH_URL.")
    name, body = template_name(definition), day_template(definition, form)
    for sentence in undecided_fields(definition):
        note(sentence)
    if url:
        with connected(url, ca_certs) as client:
            _compare(client, definition)
            _check_or_put(client, definition, form, replace or [], apply=apply)
    if as_json:
        print_json({"name": name, "applied": apply, "template": body})
    elif apply:
        say(f"Wrote the template {name}: it counts for raw days created from now on.")
    else:
        write_text(f"{json.dumps(body, indent=2)}\n")
        note(f"Nothing was written. Its name would be {name}; --apply writes it.")


def _check_or_put(client: OpenSearch, dataset: Dataset, form: DayForm, replace: list[str], *, apply: bool) -> None:
    from opensearch_strata.archive.targets.templates.writing import objections, put_day_template

    day = datetime.now(UTC).date() + timedelta(days=1)
    if apply:
        put_day_template(client, dataset, form, day, replace)
    else:
        for sentence in objections(client, dataset, form, day, replace):
            note(sentence)


def _compare(client: OpenSearch, dataset: Dataset) -> None:
    from opensearch_strata.archive.targets.templates.day_template import differing_fields
    from opensearch_strata.history.raw_day.inspection import inspect_raw_day, newest_raw_day

    newest = newest_raw_day(client, dataset)
    raw = inspect_raw_day(client, dataset, newest) if newest else None
    for sentence in differing_fields(dataset, raw.types if raw else {}):
        note(sentence)
