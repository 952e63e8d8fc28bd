"""``strata audit``: a table with what to do, an exit code that says whether something is lost, and JSON."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from opensearch_strata.archive.store.manifest import NAME, Manifest
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.workflows.archiving import archive_day
from opensearch_strata.workflows.audit import audit as auditing
from opensearch_strata.workflows.history_copy.export import copy_day
from tests.shell import Shell
from tests.streams import DAY, Stream

NEXT = DAY + timedelta(days=1)


@pytest.fixture
def stream(shell: Shell, s3: Any, bucket: str, aws: None) -> Stream:
    """An archived day whose raw day is gone, and one in a window that is long enough."""
    made = shell.stream(archive={"bucket": bucket, "prefix": "a/"}, raw={"window_days": 30_000}, engine="search")
    for day in (DAY, NEXT):
        made.fill(day, count=60)
        proof = prove(made.client, made.dataset, day)
        copy_day(made.client, s3, made.dataset, proof)
        if day == DAY:
            archive_day(made.client, s3, made.dataset, proof)
            made.client.indices.delete(index=made.dataset.raw_index(day))
    return made


def test_nothing_is_lost(shell: Shell, stream: Stream) -> None:
    name = stream.dataset.name
    result = shell.run(f"audit {name}")
    assert f"Audit of 2 days of {name}: 0 raw days to be compared with their rows" in result.stderr
    assert f"archived days to be restored: {DAY}. Cost: 60 documents," in result.stderr
    assert "60 documents gave the very" in result.stdout
    assert f"Nothing is lost of {name}. 4 findings: 4 fine." in result.stdout
    found = shell.json(f"audit {name} --no-restore")
    assert (found["failed"], found["applied"], found["restored"]) == (False, False, [])
    assert found["counts"] == {"lost": 0, "would be lost": 0, "look": 0, "fine": 2}
    assert found["planned"] == found["spent"]


def test_what_is_lost_is_the_exit_code(shell: Shell, stream: Stream, s3: Any, bucket: str) -> None:
    body = s3.get_object(Bucket=bucket, Key=f"a/dt={DAY}/{NAME}")["Body"].read()
    s3.delete_object(Bucket=bucket, Key=Manifest.model_validate_json(body).objects[0].key)
    found = shell.json(f"audit {stream.dataset.name} --no-restore", 1)
    (lost,) = [one for one in found["findings"] if one["severity"] == "lost"]
    assert (lost["day"], lost["last"], lost["kind"]) == (str(DAY), str(DAY), "archive")
    result = shell.run(f"audit {stream.dataset.name} --restore 1", 1)
    assert "could not be restored" in result.stdout
    assert f"Something is lost or would be of {stream.dataset.name}" in result.stderr
    assert shell.json(f"audit {stream.dataset.name} --no-restore --from {NEXT} --to {NEXT}")["counts"]["lost"] == 0


def test_what_was_found_is_shown_even_if_a_restore_is_stopped(
    shell: Shell, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(auditing, "audit_archives", stop)
    result = shell.run(f"audit {stream.dataset.name}", 130)
    assert "Its rows are those of its archive" in result.stdout


def test_late_documents_are_only_shown_without_apply(shell: Shell, stream: Stream) -> None:
    name = stream.dataset.name
    stream.fill(NEXT, count=5, seed=1)
    (shown,) = [one for one in shell.json(f"audit {name} --no-restore")["findings"] if one["kind"] == "late"]
    assert (shown["severity"], shown["cure"]) == ("look", f"strata audit {name} --apply")
    assert sum(row["transform._doc_count"] for row in stream.rows(NEXT).values()) == 120
    (done,) = [one for one in shell.json(f"audit {name} --no-restore --apply")["findings"] if one["kind"] == "late"]
    assert (done["severity"], done["cure"]) == ("fine", "")
    assert sum(row["transform._doc_count"] for row in stream.rows(NEXT).values()) == 125


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--restore 2 --no-restore", "Give either --restore or --no-restore."),
        ("--restore 0", "--restore"),
        (f"--from {NEXT} --to {DAY}", "swap them"),
    ],
)
def test_options_that_contradict_each_other(shell: Shell, options: str, words: str) -> None:
    assert words in shell.run(f"audit flights {options}", 2).stderr
