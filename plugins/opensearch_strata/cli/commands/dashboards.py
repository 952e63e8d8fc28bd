"""``strata dashboards``: charts of a dataset for OpenSearch Dashboards and Grafana."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from opensearch_strata.cli.connection import client_settings, connected, find_dataset
from opensearch_strata.cli.options import AsJson, CaCerts, DatasetName, DatasetsDir, split_names
from opensearch_strata.cli.output import note, print_json, print_table, say
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from opensearch_strata.dashboards.made import Made

_PANEL = "Connection and output"


def dashboards(
    dataset: DatasetName,
    *,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAMES", help="Metrics to draw; by default the first four that measure."),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="FOLDER", file_okay=False, help="Write the files of both to a folder."),
    ] = None,
    apply: Annotated[
        bool,
        typer.Option(
            "--apply", help="Store the scripts of the charts in OpenSearch, and import into OpenSearch Dashboards."
        ),
    ] = False,
    dashboards_url: Annotated[
        str | None,
        typer.Option(
            "--dashboards-url",
            envvar="OPENSEARCH_DASHBOARDS_URL",
            metavar="URL",
            help="OpenSearch Dashboards, such as http://localhost:5601 or https://host/_dashboards. The login is that "
            "of this URL, or the one for OpenSearch in the environment. Without it, only scripts are stored.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            envvar="OPENSEARCH_URL",
            metavar="URL",
            help="OpenSearch, for --apply; see strata status.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Make dashboards of a dataset for OpenSearch Dashboards and Grafana; without an option, say what they would show.

    Everything follows from the definition: index patterns, titles, units, time
    zone. Making them again replaces them.
    """
    from opensearch_strata.dashboards.made import made, write_files
    from opensearch_strata.presentation.dashboards import panels_table

    if apply and write:
        raise typer.BadParameter("--write and --apply exclude each other; run the command twice.")
    if apply and not url:
        raise typer.BadParameter("--apply needs the cluster: add --url, or set OPENSEARCH_URL.")
    if apply and dashboards_url and urlsplit(dashboards_url).scheme == "http" and not _has_port(dashboards_url):
        raise typer.BadParameter("--dashboards-url needs a port, such as http://localhost:5601.")
    found = made(find_dataset(dataset, datasets_dir), split_names(metrics))
    files = [str(path) for path in write_files(found, write)] if write else []
    scripts, imported = _applied(found, url, dashboards_url, ca_certs) if apply and url else ([], 0)
    if as_json:
        panels = [panel.title for panel in found.panels]
        print_json({"dataset": dataset, "panels": panels, "files": files, "scripts": scripts, "imported": imported})
        return
    if not files and not apply:
        print_table(panels_table(dataset, found.panels))
        say("Nothing was written. --write FOLDER writes the files, --apply stores and imports.")
    for path in files:
        say(f"Wrote {path}.")
    if apply:
        say(f"Stored {counted(len(scripts), 'script')}: {', '.join(scripts)}.")
        say(f"Imported {counted(imported, 'saved object')}." if imported else "No --dashboards-url: nothing imported.")
    if found.choice.left_out:
        note(f"Not drawn: {', '.join(found.choice.left_out)}. --metric names what is drawn.")


def _has_port(url: str) -> bool:
    try:
        return urlsplit(url).port is not None
    except ValueError:  # the settings have a sentence for it
        return True


def _applied(found: Made, url: str, dashboards_url: str | None, ca_certs: Path | None) -> tuple[list[str], int]:
    """Ids of the scripts that were stored, and how many objects were imported."""
    from opensearch_strata.connections.opensearch import build_client
    from opensearch_strata.dashboards.applying import import_objects, store_scripts

    # Both addresses are read before anything is sent.
    settings = client_settings(dashboards_url, ca_certs) if dashboards_url else None
    with connected(url, ca_certs) as client:
        scripts = store_scripts(client)
    if settings is None:
        return scripts, 0
    with build_client(settings.model_copy(update={"http_compress": False})) as client:
        return scripts, import_objects(client, found.ndjson)
