"""Audits as tables. Values in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from opensearch_strata.errors.amounts import size
from opensearch_strata.presentation.tables import Table

if TYPE_CHECKING:
    from opensearch_strata.workflows.audit.cost import Cost
    from opensearch_strata.workflows.audit.findings import Finding


def findings_table(dataset: str, findings: Sequence[Finding]) -> Table:
    """What an audit found, and what to do about it.

    :param dataset: its name
    :param findings: one row of the table each, in this order
    """
    rows = [(found.days or None, found.finding, found.severity, found.what_to_do or None) for found in findings]
    return Table(f"Audit of {dataset}", ("day", "finding", "severity", "what to do"), rows)


def costs_table(dataset: str, costs: Iterable[tuple[str, Cost]]) -> Table:
    """What an audit was going to cost, and what it cost.

    :param dataset: its name
    :param costs: name and amount, one row each
    """
    rows = [(name, cost.documents, size(cost.bytes), cost.requests) for name, cost in costs]
    return Table(f"Cost of the audit of {dataset}", ("", "documents", "objects read", "requests to S3"), rows)
