"""All that is made of a dataset for both programs, and its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from opensearch_strata.dashboards import grafana
from opensearch_strata.dashboards.choice import Choice, chosen
from opensearch_strata.dashboards.panels import Panel, panels_of
from opensearch_strata.dashboards.patterns import Patterns, patterns_of
from opensearch_strata.dashboards.saved_objects import as_ndjson, saved_objects
from opensearch_strata.definition.dataset import Dataset


@dataclass(frozen=True)
class Made:
    """What a dataset's dashboards consist of.

    :param dataset: the dataset
    :param choice: what is drawn
    :param patterns: the expressions of its indices
    """

    dataset: Dataset
    choice: Choice
    patterns: Patterns

    @cached_property
    def panels(self) -> list[Panel]:
        """The panels in OpenSearch Dashboards."""
        return list(panels_of(self.dataset, self.choice, self.patterns))

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        """The saved objects of OpenSearch Dashboards."""
        return saved_objects(self.dataset, self.choice, self.patterns)

    @property
    def ndjson(self) -> str:
        """The saved objects as an import reads them."""
        return as_ndjson(self.objects)

    @cached_property
    def grafana(self) -> dict[str, Any]:
        """The dashboard of Grafana."""
        return grafana.dashboard(self.dataset, self.choice)

    @cached_property
    def data_sources(self) -> dict[str, Any]:
        """The data sources that the dashboard of Grafana reads."""
        return grafana.data_sources(self.dataset, self.patterns)


def made(dataset: Dataset, metrics: Sequence[str] = ()) -> Made:
    """Make the dashboards of a dataset.

    :param metrics: names of the metrics to draw; none for the first few
    :raises DefinitionError: a metric does not exist, or measures nothing
    :raises Refused: no wildcard tells the indices of the dataset apart
    """
    return Made(dataset, chosen(dataset, metrics), patterns_of(dataset))


def write_files(found: Made, folder: Path) -> list[Path]:
    """Write the files of both programs; those that are there are replaced. Returns their paths.

    :param folder: is created if it does not exist
    """
    name = found.dataset.name
    texts = {
        f"{name}.ndjson": found.ndjson,
        f"{name}-grafana.json": f"{json.dumps(found.grafana, indent=2)}\n",
        f"{name}-grafana-sources.yaml": yaml.safe_dump(found.data_sources, sort_keys=False, allow_unicode=True),
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for file, text in texts.items():
        path = folder / file
        path.write_text(text, "utf-8")
        paths.append(path)
    return paths
