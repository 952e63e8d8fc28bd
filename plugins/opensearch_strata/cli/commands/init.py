"""``strata init``: draft a dataset file from an existing index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from opensearch_strata.cli.connection import connected
from opensearch_strata.cli.options import AnyEngine, CaCerts, Url
from opensearch_strata.cli.output import note, write_text

IndexName = Annotated[str, typer.Argument(metavar="INDEX", help="Name of an existing raw day, such as app-2026.11.29.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="New file, such as include/datasets/app.yaml. Default: stdout."),
]


def init(
    index: IndexName, url: Url, ca_certs: CaCerts = None, output: Output = None, _engine: AnyEngine = None
) -> None:
    """Draft a dataset from an index's mapping and documents."""
    from opensearch_strata.errors import Refused
    from opensearch_strata.workflows.drafting.draft import draft

    if output and output.exists():
        raise Refused(f"{output} already exists and was kept. Name a new file with --output.")
    with connected(url, ca_certs) as client:
        text = draft(client, index)
    if output is None:
        write_text(text)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:  # somebody wrote it in the meantime
        raise Refused(f"{output} already exists and was kept. Name a new file with --output.") from None
    except OSError as error:
        raise Refused(f"{output} cannot be written ({error.strerror}). Name another file with --output.") from None
    note(f"Wrote {output}. Review it, then run strata check --datasets-dir {output.parent}.")
