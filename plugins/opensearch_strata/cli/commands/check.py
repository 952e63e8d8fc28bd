"""``strata check``: are the datasets valid, and do they fit what the producers write?"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import typer

from opensearch_strata.cli.connection import connected
from opensearch_strata.cli.options import AnyEngine, AsJson, CaCerts, DatasetsDir, OptionalUrl
from opensearch_strata.cli.output import note, print_json, say
from opensearch_strata.errors import StrataError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import explain

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset

_PATIENCE = 5.0  # seconds for which the ledger may be unavailable


def check(
    url: OptionalUrl = None,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
    _engine: AnyEngine = None,
) -> None:
    """Check the dataset files and, with --url, the real mappings."""
    from opensearch_strata.archive.extension_check import unfit_extensions
    from opensearch_strata.definition.consent import consent_of
    from opensearch_strata.definition.files import datasets_dir as default_dir
    from opensearch_strata.definition.files import datasets_not_read, load_definitions
    from opensearch_strata.history.query.intervals import zone_warning
    from opensearch_strata.history.raw_day.policies import policies_over

    folder = (datasets_dir or default_dir()).absolute()
    found = load_definitions(folder)
    problems = [*found.problems, *unfit_extensions()]
    if not (found.datasets or problems):
        problems.append(f"{folder} contains no dataset file (*.yaml); name another folder with --datasets-dir.")
    compared: dict[str, str | None] = {}
    lacking: list[str] = []
    if url:
        with connected(url, ca_certs) as client:
            for dataset in found.datasets.values():
                compared[dataset.name], more = _compare(client, dataset)
                policies = policies_over(client, dataset)
                problems += [*more, *policies.dangers]
                lacking += _lacking(client, dataset)
                if policies.unseen:
                    note(policies.unseen)
    deletions = {dataset.name: consent_of(dataset).sentence for dataset in found.datasets.values()}
    judged = (zone_warning(dataset, date.today()) for dataset in found.datasets.values())
    warnings = [*found.warnings, *(warning for warning in judged if warning), *lacking]
    for other in [] if datasets_dir else datasets_not_read():
        warnings.append(f"{other} also contains datasets, but they are not read: {folder} takes precedence.")
    if as_json:
        names = list(found.datasets)
        told = {"compared": compared, "warnings": warnings, "problems": problems}
        print_json({"folder": str(folder), "datasets": names, "deletions": deletions, **told})
    else:
        sentences = [*problems, *warnings, *deletions.values(), f"Datasets were read from {folder}."]
        _tell(list(found.datasets), sentences, compared, len(problems))
    if problems:
        raise typer.Exit(1)


def _compare(client: OpenSearch, dataset: Dataset) -> tuple[str | None, list[str]]:
    """Return the newest raw day, if there is one, and what in it does not fit."""
    from opensearch_strata.history.raw_day.inspection import misfits, newest_raw_day

    day = newest_raw_day(client, dataset)
    return (dataset.raw_index(day), misfits(client, dataset, day)) if day else (None, [])


def _lacking(client: OpenSearch, dataset: Dataset) -> list[str]:
    """Return a sentence if objects lack events that the rules of the dataset no longer leave out."""
    from opensearchpy.exceptions import OpenSearchException

    from opensearch_strata.archive.documents.reading import reading_of
    from opensearch_strata.archive.ledger.store import Ledger
    from opensearch_strata.archive.planning.not_loaded import objects_lacking

    try:
        count = objects_lacking(Ledger(client, dataset.name, patience=_PATIENCE), reading_of(dataset))
    except (StrataError, OpenSearchException) as error:
        note(f"{dataset.name}: whether loaded objects lack events that are wanted now is unknown. {explain(error)}")
        return []
    if not count:
        return []
    return [
        f"{dataset.name}: {counted(count, 'object')} of its archives {'was' if count == 1 else 'were'} loaded by other "
        f"rules of intake.keep and intake.skip, which left out events that are wanted now. A backfill of the days that "
        f"should have them loads them."
    ]


def _tell(names: list[str], sentences: list[str], compared: dict[str, str | None], problems: int) -> None:
    for sentence in sentences:
        say(sentence)
    for name, index in compared.items():
        say(f"{name}: compared with {index}." if index else f"{name}: there is no raw day to compare with yet.")
    say(f"Valid datasets: {', '.join(names) or 'none'}. Problems: {problems or 'none'}.")
