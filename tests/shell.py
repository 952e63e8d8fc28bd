"""``strata`` for tests: in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner, Result

from opensearch_strata.cli.app import app
from tests.streams import Stream

PLUGINS = Path(__file__).parents[1] / "plugins"
ENVIRONMENT = (
    "OPENSEARCH_URL", "OPENSEARCH_USERNAME", "OPENSEARCH_PASSWORD", "OPENSEARCH_AWS_SERVICE",
    "STRATA_DEBUG", "STRATA_INCLUDE_DIR",
)  # fmt: skip
"""What the command reads from the environment; tests begin without it."""


def start(arguments: list[str], env: dict[str, str] | None = None, **streams: Any) -> subprocess.Popen[str]:
    """Start the command as its entry point does, in a process of its own."""
    code = "import sys; from opensearch_strata.cli import main; sys.argv[0] = 'strata'; main()"
    kept = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    env = {**kept, "PYTHONPATH": str(PLUGINS), "COLUMNS": "120", **(env or {})}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=env,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
        **streams,
    )


def days_before(day: date, count: int) -> list[date]:
    """That many days up to a day, oldest first."""
    return [day - timedelta(days=back) for back in reversed(range(count))]


class Shell:
    """The command with the datasets of a test.

    :param url: the node
    :param make_stream: makes the datasets and deletes their indices
    :param folder: takes the files of the datasets
    """

    def __init__(self, url: str, make_stream: Callable[..., Stream], folder: Path) -> None:
        self.url = url
        self._make_stream = make_stream
        self.folder = folder
        self._runner = CliRunner(env=dict.fromkeys(ENVIRONMENT))
        self._started: list[subprocess.Popen[str]] = []

    def stream(self, **parts: Any) -> Stream:
        """A new stream whose dataset the command knows."""
        stream = self._make_stream(**parts)
        definition = stream.dataset.model_dump(mode="json")
        (self.folder / f"{stream.dataset.name}.yaml").write_text(yaml.safe_dump(definition), "utf-8")
        return stream

    def run(self, line: str, exit_code: int = 0, url: str = "", env: dict[str, str] | None = None) -> Result:
        """Run a command line and expect an exit code."""
        result = self._runner.invoke(app, self._arguments(line, url or self.url), env=env)
        assert result.exit_code == exit_code, result.output
        return result

    def run_bare(self, line: str, exit_code: int = 0) -> Result:
        """Run a command line of a command that knows no datasets, and expect an exit code."""
        result = self._runner.invoke(app, shlex.split(line), env={"OPENSEARCH_URL": self.url})
        assert result.exit_code == exit_code, result.output
        return result

    def json(self, line: str, exit_code: int = 0) -> Any:
        """Run a command line with ``--json``: one line on stdout, which is the value."""
        text = self.run(f"{line} --json", exit_code).stdout
        assert text.count("\n") == 1
        return json.loads(text)

    def start(self, line: str, url: str = "", **streams: Any) -> subprocess.Popen[str]:
        """Start a command line in a process of its own."""
        self._started.append(start(self._arguments(line, url or self.url), **streams))
        return self._started[-1]

    def end(self) -> None:
        """Kill what a failed test left running."""
        for process in self._started:
            process.kill()
            process.wait()

    def _arguments(self, line: str, url: str) -> list[str]:
        return [*shlex.split(line), "--url", url, "--datasets-dir", str(self.folder)]
