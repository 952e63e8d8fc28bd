"""``strata condense`` and ``strata verify``: one raw day and its rows."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opensearch_strata.cli.connection import connected, find_dataset
from opensearch_strata.cli.options import AsJson, CaCerts, DatasetName, DatasetsDir, Day, Engine, Url
from opensearch_strata.cli.output import fail, note, print_json, print_table, progress_of, say
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.history.condense.engines.base import EngineRun
    from opensearch_strata.history.raw_day.inspection import RawDay
    from opensearch_strata.history.verify.proof import Proof


def condense(
    dataset: DatasetName,
    day: Day,
    *,
    url: Url,
    engine: Engine = None,
    allow_poorer: Annotated[
        bool,
        typer.Option(
            "--allow-poorer",
            help="Condense even if the raw day holds fewer documents than its rows carry: the rows are deleted and "
            "rebuilt from what is left. Use it only if what is left is the truth.",
        ),
    ] = False,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Condense one raw day into rows; safe to repeat.

    A second run overwrites the rows of the first. History never gets poorer: a
    raw day that is gone, or that holds fewer documents than its rows carry, is
    refused. A missing day is a failure, an empty one is not.
    """
    from opensearch_strata.definition.days import require_complete
    from opensearch_strata.history.condense.condense import condense as condense_day
    from opensearch_strata.history.raw_day.inspection import inspect_raw_day
    from opensearch_strata.workflows.cycle import nothing_to_condense

    definition = find_dataset(dataset, datasets_dir)
    require_complete(day, datetime.now(UTC), definition.zone)
    with connected(url, ca_certs) as client:
        raw = inspect_raw_day(client, definition, day)
        with progress_of(definition.raw_index(day), raw.documents if raw else 0) as on_documents:
            run = condense_day(
                client, definition, day, engine=engine, allow_poorer=allow_poorer, on_documents=on_documents
            )
    sentence = "" if run else nothing_to_condense(definition, day, raw)
    index, month = definition.raw_index(day), definition.month_index(day)
    if as_json:
        print_json({"dataset": dataset, "day": day, "index": index, "month": month, **_outcome(run, raw)})
    elif run:
        from opensearch_strata.presentation.tables import run_table

        print_table(run_table(index, run))
        say(f"{index} is condensed: {counted(run.documents, 'document')} in {counted(run.rows, 'row')} of {month}.")
    elif raw:
        say(sentence)
    if not run and raw is None:
        fail(f"{sentence} Check the day, and raw.index of the dataset.")
        raise typer.Exit(1)


def _outcome(run: EngineRun | None, raw: RawDay | None) -> dict[str, Any]:
    if run:
        return {"state": "condensed", **asdict(run)}
    return {"state": "empty" if raw else "missing", "engine": None, "documents": 0, "rows": 0}


def verify(
    dataset: DatasetName,
    day: Day,
    *,
    url: Url,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Condense late documents and rebuild wrong rows, once; then verify."),
    ] = False,
    engine: Engine = None,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Prove that the rows of a day carry every raw document.

    Without --repair, no row is changed. A verified day is marked, so that it is
    read from history from then on. The exit code is 0 only if every check of
    the proof holds.
    """
    from opensearch_strata.definition.days import require_complete
    from opensearch_strata.history.levels.prove import prove, with_levels
    from opensearch_strata.history.raw_day.inspection import inspect_raw_day
    from opensearch_strata.history.verify.verify import verify as verify_day
    from opensearch_strata.workflows.cycle import unproven

    definition = find_dataset(dataset, datasets_dir)
    with connected(url, ca_certs) as client:
        if repair:
            require_complete(day, datetime.now(UTC), definition.zone)
        raw = inspect_raw_day(client, definition, day)
        with progress_of(definition.raw_index(day), raw.documents if raw else 0, "Comparing") as on_documents:
            if repair:
                proof = prove(client, definition, day, engine=engine, on_documents=on_documents)
            else:
                proof = verify_day(client, definition, day, on_documents)
        if not repair:
            _mark(client, definition, proof)
            proof = with_levels(client, definition, proof, "compare")
    if as_json:
        print_json({"dataset": dataset, **_proof_json(proof)})
    elif proof.checks and proof.rows:  # for a day that was never condensed, one sentence says more
        from opensearch_strata.presentation.tables import proof_table

        print_table(proof_table(proof))
    if proof.state != "verified":
        fail(unproven(proof))
        raise typer.Exit(1)
    if not as_json:
        say(f"{proof.index} is verified: all its documents are in {counted(proof.rows, 'row')}.")
    if proof.without_levels:
        fail(f"{proof.without_levels} Build them again: strata levels {dataset} --from {day} --to {day} --apply")
        raise typer.Exit(1)


def _mark(client: OpenSearch, dataset: Dataset, proof: Proof) -> None:
    """Mark a verified day for readers; without permission for this, the day is proven all the same."""
    from opensearchpy import AuthorizationException

    from opensearch_strata.errors.judging import explain
    from opensearch_strata.history.month.marks import remember

    if proof.state != "verified" or proof.raw is None:
        return
    try:
        remember(client, dataset, proof.raw, proof.carried.rows_version)
    except AuthorizationException as error:
        note(f"{proof.index} could not be marked as verified, so its raw documents are still read. {explain(error)}")


def _proof_json(proof: Proof) -> dict[str, Any]:
    return {
        "day": proof.day,
        "index": proof.index,
        "state": proof.state,
        "verified": proof.state == "verified",
        "documents": proof.raw.documents if proof.raw else 0,
        "rows": proof.rows,
        "null_rows": proof.null_rows,
        "without_levels": proof.without_levels,
        "checks": [asdict(check) for check in proof.checks],
    }
