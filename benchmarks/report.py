"""The results of a run: on a terminal, as JSON for machines, and as Markdown for the repository."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import orjson
from opensearchpy import OpenSearch

from benchmarks.goals import Result
from benchmarks.timing import Samples
from opensearch_strata.presentation.tables import Table, shown

_PACKAGES = ("opensearch-py", "pandas", "numpy", "orjson")


@dataclass(frozen=True)
class Report:
    """All results of a run.

    :param title: title of the page
    :param method: how the figures were obtained, in a sentence or two
    :param command: command that repeats the run
    :param workload: what was loaded, in words and numbers
    :param details: more data for machines, by key of the JSON file
    """

    title: str
    method: str
    command: str
    machine: Mapping[str, Any]
    workload: Mapping[str, Any]
    results: Sequence[Result]
    samples: Mapping[str, Samples]
    tables: Sequence[Table]
    notes: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def goals_table(self) -> Table:
        """Each goal, the result, and whether it is good enough."""
        rows = [
            (
                result.goal.measure,
                result.ours,
                result.peer or None,
                result.goal.written(result.figure),
                result.goal.border(result.goal.must),
                result.goal.border(result.goal.go_for) or None,
                result.reached.upper() if result.reached == "no" else result.reached,
            )
            for result in self.results
        ]
        return Table("Measured", ("measure", "ours", "peer", "ratio", "must", "go for", "reached"), rows)

    def json(self) -> bytes:
        """Every sample, table and detail as JSON."""
        record = {
            "command": self.command,
            "machine": self.machine,
            "workload": self.workload,
            "results": [result.record() for result in self.results],
            "samples": {name: asdict(samples) for name, samples in self.samples.items()},
            **self.details,
            "tables": [asdict(table) for table in self.tables],
            "notes": self.notes,
        }
        return orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)

    def markdown(self) -> str:
        """The tables, and the reasons if a `go for` was not reached."""
        short = [f"- **{result.goal.measure}**: {result.reason}" for result in self.results if result.reason]
        meanings = [f"- **{result.goal.measure}**: {result.goal.meaning}" for result in self.results]
        parts = [
            f"# {self.title}",
            f"Written by `{self.command}`. All samples are in the JSON file next to this one.",
            _words(self.machine),
            _words(self.workload),
            _markdown(self.goals_table()),
            self.method,
            "\n".join(meanings),
            *(["These fall short of the `go for`:", "\n".join(short)] if short else []),
            *(f"## {table.title}\n\n{_markdown(table)}" for table in self.tables),
            "## Notes",
            "\n".join(f"- {note}" for note in self.notes),
        ]
        return "\n\n".join(parts) + "\n"


def machine_of(client: OpenSearch) -> dict[str, Any]:
    """The server's machine and versions, and the versions in this process."""
    node: dict[str, Any] = next(iter(client.nodes.info(metric="os,jvm")["nodes"].values()))
    stats: dict[str, Any] = next(iter(client.nodes.stats(metric="os")["nodes"].values()))
    gibibyte = 1 << 30
    return {
        "cores": node["os"]["available_processors"],
        "memory": f"{stats['os']['mem']['total_in_bytes'] / gibibyte:.0f} GiB",
        "OpenSearch": node["version"],
        "Java": node["jvm"]["version"],
        "heap": f"{node['jvm']['mem']['heap_max_in_bytes'] / gibibyte:.1f} GiB",
        "Python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def _words(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {shown(value)}" for name, value in facts.items()) + "."


def _markdown(table: Table) -> str:
    numeric = [
        all(isinstance(row[place], int | float) or row[place] is None for row in table.rows)
        for place in range(len(table.columns))
    ]
    lines = [table.columns, ["--:" if is_numeric else "---" for is_numeric in numeric]]
    lines += [[shown(value).replace("|", "\\|") for value in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
