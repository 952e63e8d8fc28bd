"""Levels against base rows: what readers do not take, and so answer more slowly."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.levels.build import levels_of_day, levels_of_month
from opensearch_strata.history.levels.look import Incomplete, incomplete_levels
from opensearch_strata.workflows.audit.findings import Finding
from opensearch_strata.workflows.audit.inventory import Inventory

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def see_levels(client: OpenSearch, dataset: Dataset, inventory: Inventory, *, apply: bool) -> Iterator[Finding]:
    """A finding for each proven day whose levels are not complete. A day that is not proven has none.

    :param apply: build them
    """
    if not dataset.levels:
        return
    proven = [state.day for state in inventory.days if state.has_proven_rows]
    for day, found in sorted(incomplete_levels(client, dataset, proven).items()):
        yield _finding(client, dataset, day, found, apply=apply)


def _finding(client: OpenSearch, dataset: Dataset, day: date, found: Incomplete, *, apply: bool) -> Finding:
    told = []
    if found.touched:
        told.append(f"Rows of its levels {', '.join(found.touched)} were written or deleted after they were compared.")
    if found.missing:
        told.append(f"Its levels {', '.join(found.missing)} are missing.")
    cure = f"strata levels {dataset.name} --from {{first}} --to {{last}} --apply"
    if not apply:
        return Finding("levels", day, f"{' '.join(told)} Base rows are read instead.", "look", cure)
    built = [levels_of_day(client, dataset, day, "build"), levels_of_month(client, dataset, day, "build")]
    if problem := " ".join(filter(None, (one.problem for one in built))):
        return Finding("levels", day, f"{' '.join(told)} They could not be built again. {problem}", "look", cure)
    return Finding("levels", day, f"{' '.join(told)} They were built again.", "fine")
