"""The owner of a dataset, as DAGs take it. Quick to import, because DAG files use it."""

from __future__ import annotations

from opensearch_strata.definition.dataset import Dataset


def owner_of(dataset: Dataset) -> dict[str, str]:
    """The owner as a part of ``default_args``; empty if the dataset names none, so that Airflow's default applies.

    :param dataset: the definition
    """
    return {"owner": dataset.cycle.owner} if dataset.cycle.owner else {}


def owner_links_of(dataset: Dataset) -> dict[str, str]:
    """Where the owner is reached, as ``owner_links`` of a DAG.

    :param dataset: the definition
    """
    cycle = dataset.cycle
    return {cycle.owner: cycle.owner_link} if cycle.owner and cycle.owner_link else {}
