"""``strata template``: an index template for those who write raw days."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from opensearch_strata.cli.connection import connected, find_dataset
from opensearch_strata.cli.options import AsJson, CaCerts, CodecChoice, DatasetName, DatasetsDir, OptionalUrl
from opensearch_strata.cli.output import note, print_json, say, write_text

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset


def template(
    dataset: DatasetName,
    url: OptionalUrl = None,
    *,
    shards: Annotated[int, typer.Option("--shards", min=1, help="Primary shards of a raw day.")] = 1,
    replicas: Annotated[int, typer.Option("--replicas", min=0, help="Replicas of each shard.")] = 1,
    refresh: Annotated[str, typer.Option("--refresh", help="Time after which documents are searchable.")] = "30s",
    codec: Annotated[
        CodecChoice, typer.Option("--codec", help="Codec of stored documents; zstd needs the custom codecs plugin.")
    ] = "best_compression",
    sort: Annotated[
        bool, typer.Option("--sort/--no-sort", help="Sort segments by group and time: smaller, quicker to condense.")
    ] = True,
    priority: Annotated[
        int, typer.Option("--priority", min=0, help="Of two templates that match a name, the higher one counts.")
    ] = 200,
    apply: Annotated[bool, typer.Option("--apply", help="Write it to the cluster. Without it, it is printed.")] = False,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Print or write the index template for a dataset's raw days.

    Producers create a raw day by writing to it; the template gives it the types that condensing needs. Days that exist
    stay as they are. With --url, the fields of the newest raw day are compared.
    """
    from opensearch_strata.archive.targets.day_template import DayForm, day_template, put_day_template, template_name

    definition = find_dataset(dataset, datasets_dir)
    form = DayForm(shards, replicas, refresh, codec, sort, priority)
    if apply and not url:
        raise typer.BadParameter("--apply needs the cluster: add --url, or set OPENSEARCH_URL.")
    day = datetime.now(UTC).date() + timedelta(days=1)
    if url:
        with connected(url, ca_certs) as client:
            _compare(client, definition)
            if apply:
                put_day_template(client, definition, form, day)
    name, body = template_name(definition), day_template(definition, form)
    if as_json:
        print_json({"name": name, "applied": apply, "template": body})
    elif apply:
        say(f"Wrote the template {name}: it counts for raw days created from now on.")
    else:
        write_text(f"{json.dumps(body, indent=2)}\n")
        note(f"Nothing was written. Its name would be {name}; --apply writes it.")


def _compare(client: OpenSearch, dataset: Dataset) -> None:
    from opensearch_strata.archive.targets.day_template import differing_fields
    from opensearch_strata.history.raw_day.inspection import inspect_raw_day, newest_raw_day

    newest = newest_raw_day(client, dataset)
    raw = inspect_raw_day(client, dataset, newest) if newest else None
    for sentence in differing_fields(dataset, raw.types if raw else {}):
        note(sentence)
