"""The shell as a process of its own: on a terminal, and interrupted."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from contextlib import suppress

import pytest
from opensearchpy import NotFoundError, OpenSearch

from tests.shell import Shell
from tests.streams import DAY
from tests.transform_api import TransformApi


def test_progress_on_a_terminal_is_a_bar(shell: Shell) -> None:
    stream = shell.stream()
    stream.fill(count=240)
    ours, theirs = pty.openpty()
    process = shell.start(f"condense {stream.dataset.name} {DAY} --json", stdout=subprocess.PIPE, stderr=theirs)
    value, _ = process.communicate(timeout=60)
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert process.returncode == 0, shown
    assert json.loads(value)["documents"] == 240
    assert f"Condensing {stream.dataset.raw_index(DAY)}" in shown
    assert "240 of 240 documents" in shown


def _until_closed(terminal: int) -> str:
    """All that is written to a terminal, until nobody has it open any more."""
    shown = b""
    with suppress(OSError):  # what Linux says then
        while part := os.read(terminal, 65_536):
            shown += part
    return shown.decode()


def test_a_query_shows_a_bar_beside_what_it_prints(shell: Shell) -> None:
    stream = shell.stream()
    stream.fill(count=240)
    name = stream.dataset.name
    asked = f"query {name} --from {DAY} --to {DAY} --interval 1h --metric load --stat count"
    ours, theirs = pty.openpty()
    process = shell.start(f"{asked} --json", stdout=subprocess.PIPE, stderr=theirs)
    value, _ = process.communicate(timeout=60)
    shown = os.read(ours, 65_536).decode()
    assert process.returncode == 0, shown
    assert sum(record["load.count"] for record in json.loads(value)) > 100
    assert f"Reading {name}" in shown
    assert "100%" in shown
    process = shell.start(asked, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = _until_closed(ours)  # a terminal that nobody reads takes a few KB, then whoever writes waits
    assert process.wait(timeout=60) == 0
    os.close(ours)
    assert f"Reading {name}" not in shown[shown.index(f"load of {name}") :]  # taken away before the table


def test_ctrl_c_ends_our_searches_with_the_page_they_are_at(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = shell.stream()
    name = stream.dataset.name
    stream.fill(count=240)

    first = iter([True])

    def interrupted(_: int) -> None:
        if next(first, False):
            raise KeyboardInterrupt

    monkeypatch.setattr("opensearch_strata.history.buckets.aggregation.PAGE_SIZE", 5)
    monkeypatch.setattr("opensearch_strata.cli.output._plain_lines", lambda *_: interrupted)
    result = shell.run(f"condense {name} {DAY}", 130)
    assert "Interrupted. Everything written so far was kept" in result.stderr
    assert 0 < len(stream.rows()) < 36  # half of them, one of two slices
    monkeypatch.undo()
    shell.run(f"condense {name} {DAY}")
    assert len(stream.rows()) > 60
    shell.run(f"verify {name} {DAY}")


def test_ctrl_c_stops_the_job_too(shell: Shell) -> None:
    stream = shell.stream()
    job = stream.dataset.transform_id(DAY)
    stream.fill(count=240)
    with TransformApi(shell.url, minute=60.0) as api:
        line = f"condense {stream.dataset.name} {DAY} --engine auto"
        process = shell.start(line, api.url, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with OpenSearch(api.url) as watcher:
            await_job(watcher, job)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=30)
            assert process.returncode == 130
            assert "Interrupted." in told
            assert watcher.plugins.transforms.get(id=job)["transform"]["enabled"] is False


def await_job(client: OpenSearch, job: str) -> None:
    """Wait until a transform job was put."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(NotFoundError):
            client.plugins.transforms.get(id=job)
            return
        time.sleep(0.05)
    pytest.fail(f"{job} was never put")
