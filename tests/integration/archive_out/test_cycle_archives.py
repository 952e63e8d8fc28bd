"""The daily cycle and the shell with archives: nothing leaves before its archive is proven."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opensearch_strata.archive.store.manifest import NAME, Manifest
from opensearch_strata.workflows.cycle import run_cycle
from tests.archives import s3_environment
from tests.shell import Shell
from tests.streams import DAY, Stream, StreamFactory

NEXT = DAY + timedelta(days=1)
NOW = datetime(2024, 5, 8, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def login(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_environment(s3_url).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def stream(make_stream: StreamFactory, bucket: str) -> Stream:
    archive = {"bucket": bucket, "prefix": "a/"}
    return make_stream(archive=archive, raw={"window_days": 1})


def manifest(s3: Any, bucket: str) -> Manifest:
    return Manifest.model_validate_json(s3.get_object(Bucket=bucket, Key=f"a/dt={DAY}/{NAME}")["Body"].read())


def test_a_day_is_archived_before_it_is_deleted(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY)
    stream.fill(NEXT)
    run = run_cycle(stream.client, stream.dataset, NEXT, NOW, apply=True, s3=lambda: s3, engine="search")
    assert [one.outcome for one in run.retirements] == ["deleted"]
    assert not stream.exists(DAY)
    assert manifest(s3, bucket).documents == 240


def test_a_dry_run_says_where_it_would_go_and_writes_nothing(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY)
    stream.condense(DAY)
    run = run_cycle(stream.client, stream.dataset, NEXT, NOW, apply=False, s3=lambda: s3, engine="search")
    (one,) = run.retirements
    assert one.outcome == "dry_run"
    assert f"archives it to s3://{bucket}/a/dt={DAY}/ first" in one.note
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_day_whose_bucket_is_missing_is_kept(make_stream: StreamFactory, s3: Any) -> None:
    stream = make_stream(archive={"bucket": "no-such-bucket-of-ours"}, raw={"window_days": 1})
    stream.fill(DAY)
    run = run_cycle(stream.client, stream.dataset, NEXT, NOW, apply=True, s3=lambda: s3, engine="search")
    (one,) = run.retirements
    assert (one.outcome, stream.exists(DAY)) == ("kept", True)
    assert one.note.startswith(f"{one.index} cannot be archived to s3://no-such-bucket-of-ours/dt={DAY}/. ")


def test_days_are_archived_as_soon_as_the_dataset_says(make_stream: StreamFactory, s3: Any, bucket: str) -> None:
    stream = make_stream(archive={"bucket": bucket, "prefix": "a/", "after_days": 2}, raw={"window_days": 60})
    stream.fill(DAY)
    stream.fill(NEXT)
    run = run_cycle(stream.client, stream.dataset, NEXT, NOW, apply=False, s3=lambda: s3, engine="search")
    assert not run.problem
    assert stream.exists(DAY)
    assert manifest(s3, bucket).documents == 240
    assert [key["Prefix"] for key in s3.list_objects_v2(Bucket=bucket, Prefix="a/dt=", Delimiter="/")["CommonPrefixes"]]


def test_the_shell_archives_lists_and_finds_damage(shell: Shell, s3: Any, bucket: str) -> None:
    def bare(line: str, exit_code: int = 0) -> Any:
        return json.loads(shell.run_bare(f"{line} --datasets-dir {shell.folder} --json", exit_code).stdout)["days"]

    stream = shell.stream(archive={"bucket": bucket, "prefix": "a/"})
    name = stream.dataset.name
    stream.fill(DAY)
    dry = shell.json(f"archive {name} --day {DAY}")
    assert [one["outcome"] for one in dry["days"]] == ["would be archived"]
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    done = shell.json(f"archive {name} --from {DAY} --to {NEXT} --apply")
    assert [(one["outcome"], one["documents"]) for one in done["days"]] == [("archived", 240)]
    (listed,) = bare(f"archives {name} --deep")
    assert (listed["documents"], listed["problem"]) == (240, "")
    for option, told in (("", "as proven: ETags and sizes"), ("--deep", "as proven: read again")):
        assert told in shell.run_bare(f"archives {name} {option} --datasets-dir {shell.folder}").stdout
    nothing = shell.run(f"archive {name} --day {NEXT} --apply", 1)
    assert f"{name} has no raw day with documents in {NEXT}: there is nothing to archive." in nothing.stderr
    ddl = shell.run_bare(f"archives ddl {name} --for duckdb --datasets-dir {shell.folder}")
    assert f"s3://{bucket}/a/dt=*/*manifest.json" in ddl.stdout
    key = manifest(s3, bucket).objects[0].key
    s3.put_object(Bucket=bucket, Key=key, Body=s3.get_object(Bucket=bucket, Key=key)["Body"].read()[:-9])
    (listed,) = bare(f"archives {name}", 1)
    assert "is not the object that" in listed["problem"]
