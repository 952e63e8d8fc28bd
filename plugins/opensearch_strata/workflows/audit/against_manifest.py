"""The rows of a day against the totals that its manifest names. Pure.

The totals were merged from the proven rows when the day was archived. So rows that nobody touched amount to exactly
the same, but for the last digits of sums, which depend on the order in which rows are added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opensearch_strata.archive.store.manifest import Manifest, MetricTotals
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.printable import brief
from opensearch_strata.history.verify.ruler import same
from opensearch_strata.sketches import hyperloglog
from opensearch_strata.sketches.ddsketch import step_of, unpack

_TINY = 1e-12  # what is left of a sum whose values cancel each other out completely


def differences(
    dataset: Dataset, manifest: Manifest, documents: int, totals: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Where the rows of a day are not what its manifest says, as phrases. Only metrics that both know are compared.

    :param documents: how many documents the rows carry
    :param totals: metric -> ``{count, min?, max?, sum?, bins?, registers?}`` of all rows
    """
    found = []
    if documents != manifest.documents:
        found.append(f"they carry {counted(documents, 'document')} instead of {manifest.documents:,}")
    for name, archived in manifest.metrics.items():
        if name in dataset.metrics:
            step = step_of(dataset.sketches[name]) if name in dataset.sketches else None
            found += (f"{what} of {name}" for what in _differing(archived, totals.get(name, {}), step))
    return found


def unreadable_totals(manifest: Manifest) -> str:
    """Which totals of a manifest cannot be read, as half a sentence; empty if all of them can.

    :param manifest: of any dataset
    """
    for name, archived in manifest.metrics.items():
        kinds = {"sketch": (archived.sketch, unpack), "registers": (archived.registers, hyperloglog.unpack)}
        for kind, (text, read) in kinds.items():
            try:
                if text is not None:
                    read(text)
            except ValueError as error:
                return f"the {kind} of {brief(name)} cannot be read ({brief(str(error))})"
    return ""


def _differing(archived: MetricTotals, rows: Mapping[str, Any], step: int | None) -> Iterator[str]:
    if rows.get("count", 0) != archived.count:
        yield f"count ({rows.get('count', 0):,} instead of {archived.count:,})"
    for stat in ("min", "max"):
        wanted, value = getattr(archived, stat), rows.get(stat)
        if wanted is not None and value != wanted:
            yield f"{stat} ({_shown(value)} instead of {_shown(wanted)})"
    if archived.sum is not None and not _same_sum(archived, rows.get("sum")):
        yield f"sum ({_shown(rows.get('sum'))} instead of {_shown(archived.sum)})"
    if archived.sketch is not None and step is not None:
        wanted, archived_step = unpack(archived.sketch)
        bins: Mapping[int, int] = rows.get("bins", {})
        differing = sum(wanted.get(index) != bins.get(index) for index in wanted.keys() | bins.keys())
        if step == archived_step and differing:  # with another step, the definition has changed since
            yield f"sketch ({counted(differing, 'bin')} of it)"
    if (
        archived.registers is not None
        and "registers" in rows
        and not _same_registers(archived.registers, rows["registers"])
    ):
        yield "registers"


def _same_registers(archived: str, found: str) -> bool:
    """Whether both may be of the same values, at the smaller precision if the definition has changed since."""
    one, other = hyperloglog.unpack(archived), hyperloglog.unpack(found)
    return one.holds(other) and other.holds(one)


def _same_sum(archived: MetricTotals, found: float | None) -> bool:
    largest = max(abs(archived.min or 0.0), abs(archived.max or 0.0))
    return found is not None and same(archived.sum or 0.0, found, 1e-9 * largest + _TINY)


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.15g}"
