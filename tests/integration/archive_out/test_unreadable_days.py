"""Days whose archive or index cannot be read keep no other day from anything; what S3 has is not taken at its word."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from opensearch_strata.archive.export import hours
from opensearch_strata.archive.store.manifest import FORMER_NAME, NAME
from opensearch_strata.errors import DefinitionError, Refused
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.workflows.archives import archive_states, days_due, estimate_day
from opensearch_strata.workflows.cycle import CycleRun, run_cycle
from tests.archives import s3_environment
from tests.raw_archives import archived
from tests.shell import Shell
from tests.streams import DAY, Stream, StreamFactory

NEXT = DAY + timedelta(days=1)
NOW = datetime(2024, 5, 8, 5, tzinfo=UTC)


@pytest.fixture
def stream(make_stream: StreamFactory, bucket: str) -> Stream:
    archive = {"bucket": bucket, "prefix": "a/", "after_days": 1}
    return make_stream(archive=archive, raw={"window_days": 2})


def manifest(s3: Any, bucket: str, day: date = DAY) -> Any:
    return json.loads(s3.get_object(Bucket=bucket, Key=f"a/dt={day}/{NAME}")["Body"].read())


def put_manifest(s3: Any, bucket: str, content: Any, day: date = DAY, name: str = NAME) -> None:
    s3.put_object(Bucket=bucket, Key=f"a/dt={day}/{name}", Body=json.dumps(content).encode())


def archived_days(s3: Any, bucket: str) -> set[str]:
    found = s3.list_objects_v2(Bucket=bucket, Prefix="a/dt=").get("Contents", [])
    return {one["Key"].split("/")[1].removeprefix("dt=") for one in found if one["Key"].endswith(NAME)}


def cycle(stream: Stream, s3: Any, day: date = NEXT) -> CycleRun:
    return run_cycle(stream.client, stream.dataset, day, NOW, apply=True, s3=lambda: s3, engine="search")


@pytest.mark.parametrize("fault", ["manifest", "closed", "blocked"])
def test_a_day_that_cannot_be_read_keeps_no_other_from_its_archive(
    stream: Stream, s3: Any, bucket: str, fault: str
) -> None:
    expired = DAY - timedelta(days=1)
    for day in (expired, DAY, NEXT):
        stream.fill(day, 30)
    index = stream.dataset.raw_index(DAY)
    match fault:
        case "manifest":
            s3.put_object(Bucket=bucket, Key=f"a/dt={DAY}/{NAME}", Body=b"{")
        case "closed":
            stream.client.indices.close(index=index)
        case _:
            stream.client.indices.put_settings(index=index, body={"index.blocks.metadata": True})
    try:
        assert list(days_due(stream.client, s3, stream.dataset, NEXT)) == [expired, DAY, NEXT]
        run = cycle(stream, s3)
    finally:
        if fault == "blocked":
            stream.client.indices.put_settings(index=index, body={"index.blocks.metadata": False})
    assert index in run.problem
    assert run.report.verdict.startswith(f"{NEXT} is verified, but not all is well: {index} was not archived: ")
    assert [one.outcome for one in run.retirements] == ["deleted"]
    assert {f"{expired}", f"{NEXT}"} <= archived_days(s3, bucket)


def test_a_bucket_that_cannot_be_listed_is_a_problem_and_days_without_archive_stay(
    make_stream: StreamFactory, s3: Any
) -> None:
    stream = make_stream(archive={"bucket": "no-such-bucket-of-ours", "after_days": 1}, raw={"window_days": 1})
    stream.fill(DAY, 30)
    stream.fill(NEXT, 30)
    run = cycle(stream, s3)
    assert "s3://no-such-bucket-of-ours/dt= cannot be listed" in run.problem
    assert [one.outcome for one in run.retirements] == ["kept"]


def test_a_fault_of_strata_itself_keeps_one_day_only(
    stream: Stream, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [DAY - timedelta(days=back) for back in (2, 1)]
    for day in (*days, DAY, NEXT):
        stream.fill(day, 30)
    name_of = hours.hour_name

    def fail(at: int) -> str:
        if name_of(at).startswith(f"{days[0]}"):
            raise ValueError("year 56315 is out of range")
        return name_of(at)

    monkeypatch.setattr(hours, "hour_name", fail)
    run = cycle(stream, s3)
    assert [(one.day, one.outcome) for one in run.retirements] == [(days[0], "kept"), (days[1], "deleted")]
    assert "year 56315" in run.retirements[0].note
    assert "year 56315" in run.problem
    assert archived_days(s3, bucket) == {f"{days[1]}", f"{DAY}", f"{NEXT}"}


def test_the_archive_of_another_day_is_not_as_proven(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY, 30)
    archived(stream, s3)
    content = manifest(s3, bucket)
    for one in content["objects"]:
        key = one["key"].replace(f"{DAY}", f"{NEXT}")
        body = s3.get_object(Bucket=bucket, Key=one["key"])["Body"].read()
        one["etag"] = s3.put_object(Bucket=bucket, Key=key, Body=body)["ETag"].strip('"')
        one.pop("checksum", None)
    put_manifest(s3, bucket, content, NEXT)
    states = {state.day: state.problem for state in archive_states(s3, stream.dataset, deep=True)}
    assert states == {DAY: "", NEXT: f"it is the archive of {stream.dataset.name!r}, day {DAY}"}


def test_a_folder_that_is_no_day_is_passed_over(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY, 30)
    archived(stream, s3)
    s3.put_object(Bucket=bucket, Key="a/dt=2024-99-99/x", Body=b"x")
    assert [state.day for state in archive_states(s3, stream.dataset, deep=False)] == [DAY]
    assert list(days_due(stream.client, s3, stream.dataset, NEXT)) == []


def test_a_manifest_of_version_1_is_read_deeply(stream: Stream, s3: Any, bucket: str) -> None:
    stream.fill(DAY, 30)
    archived(stream, s3)
    kept = ("key", "documents", "bytes", "sha256")
    objects = [{key: one[key] for key in kept} for one in manifest(s3, bucket)["objects"]]
    s3.delete_object(Bucket=bucket, Key=f"a/dt={DAY}/{NAME}")
    former = {"strata_manifest": 1, "dataset": stream.dataset.name, "day": f"{DAY}", "objects": objects}
    put_manifest(s3, bucket, former, name=FORMER_NAME)
    assert [state.problem for state in archive_states(s3, stream.dataset, deep=True)] == [""]
    objects[0]["sha256"] = "0" * 64
    put_manifest(s3, bucket, former, name=FORMER_NAME)
    (state,) = archive_states(s3, stream.dataset, deep=True)
    assert "is not what was written: it holds 30 lines" in state.problem


@pytest.mark.parametrize("change", ["dataset", "day", "poorer", "not a manifest"])
def test_a_dry_run_refuses_what_a_run_refuses(stream: Stream, s3: Any, bucket: str, change: str) -> None:
    stream.fill(DAY, 30)
    archived(stream, s3)
    content = manifest(s3, bucket)
    match change:
        case "dataset":
            content["dataset"] = "others"
        case "day":
            content["day"] = f"{NEXT}"
        case "poorer":
            content["index"]["uuid"] = "another"
            content["objects"][0]["documents"] = 99
        case _:
            content = {}
    put_manifest(s3, bucket, content)
    if change == "not a manifest":
        with pytest.raises(DefinitionError):
            estimate_day(stream.client, s3, stream.dataset, DAY)
        return
    with pytest.raises(Refused) as dry:
        estimate_day(stream.client, s3, stream.dataset, DAY)
    with pytest.raises(Refused):
        archived(stream, s3)
    words = {"dataset": "'others'", "day": f"day {NEXT}", "poorer": "names 99"}
    assert words[change] in str(dry.value)


@pytest.mark.parametrize("fault", ["object gone", "manifest cut"])
def test_a_damaged_archive_would_be_written_again(stream: Stream, s3: Any, bucket: str, fault: str) -> None:
    stream.fill(DAY, 30)
    archived(stream, s3)
    found = estimate_day(stream.client, s3, stream.dataset, DAY)
    assert found
    assert found.outcome == "already archived"
    content = manifest(s3, bucket)
    if fault == "object gone":
        s3.delete_object(Bucket=bucket, Key=content["objects"][0]["key"])
    else:
        content["objects"] = []
        put_manifest(s3, bucket, content)
        assert list(days_due(stream.client, s3, stream.dataset, NEXT)) == [DAY]
    found = estimate_day(stream.client, s3, stream.dataset, DAY)
    assert found
    assert found.outcome == "would be archived"
    assert archived(stream, s3).outcome == "archived"


def test_the_shell_takes_ranges_that_make_sense_and_only_days_that_exist(
    shell: Shell, s3: Any, s3_url: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_environment(s3_url).items():
        monkeypatch.setenv(name, value)
    stream = shell.stream(archive={"bucket": bucket, "prefix": "a/"})
    name = stream.dataset.name
    stream.fill(DAY, 30)
    assert "is later than --to 2024-05-01" in shell.run(f"archive {name} --from 2024-05-09 --to 2024-05-01", 2).output
    shell.run(f"archive {name} --day {DAY} --to {NEXT}", 2)
    done = shell.json(f"archive {name} --from 0001-01-01 --to 9999-12-31")
    assert [(one["day"], one["outcome"]) for one in done["days"]] == [(f"{DAY}", "would be archived")]
    prove(stream.client, stream.dataset, DAY, engine="search")
    stream.fill(NEXT, 5)
    put_manifest(s3, bucket, {})
    done = shell.json(f"archive {name} --from {DAY} --to {NEXT} --apply", 1)
    assert [one["outcome"] for one in done["days"]] == ["refused", "archived"]
