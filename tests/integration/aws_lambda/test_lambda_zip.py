"""`make lambda`: the archive is small and runs where there is nothing but the standard library and boto3."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.errors import StackError
from local.packaging import lambda_zip
from local.places import PROJECT
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.documents.shaper import Dead, Document, Shaper
from opensearch_strata.archive.events import Place
from tests.archives import s3_environment
from tests.envelopes import envelope, packed
from tests.pythons import python_of
from tests.streams import dataset_of
from tests.transformations import CONTROL_RECORD, MESSAGES, data_in, data_message, invocation, transform, zipped

VERSIONS = ["3.12", "3.13"]
BOTO3 = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")
"""What AWS Lambda's runtimes have besides the standard library."""

PROGRAM = """
import json, sys
sys.path[:0] = sys.argv[1:]
from opensearch_strata.aws_lambda.firehose import handler
class Context:
    def get_remaining_time_in_millis(self):
        return 60_000
answer = handler(json.load(sys.stdin), Context())
foreign = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
print(json.dumps({"answer": answer, "foreign": sorted(foreign)}))
"""

RECORDS = [
    CONTROL_RECORD,
    *(data_message(texts, 10 * n, logGroup=group) for n, (group, texts) in enumerate(MESSAGES.items())),
    packed(envelope(["plain \u00e9"], 900)) + b"\n",
    b'{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"app","logStream":"s","logEvents":'
    b'[{"id":"7","timestamp":1700000000000,"message":"\xff\xfe not UTF-8 \xc3"}]}',
    zipped(envelope(["x"]))[:-9],
    b"\x28\xb5\x2f\xfd zstd",
    b"\xff\x06\x00\x00sNaPpY",
    b"text",
]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive."""
    path = tmp_path_factory.mktemp("lambda") / "strata-lambda.zip"
    assert lambda_zip.build(path) > 30
    return path


@pytest.fixture(scope="module")
def only_boto3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with boto3 and what it needs, and nothing else."""
    folder = tmp_path_factory.mktemp("boto3")
    for name in BOTO3:
        (folder / name).symlink_to(Path(boto3.__file__).parents[1] / name)
    return folder


def run(python: str, called: dict[str, Any], *paths: Path, **environment: str) -> dict[str, Any]:
    """What the handler answers in a process without site-packages."""
    command = [python, "-I", "-S", "-c", PROGRAM, *map(str, paths)]
    found = subprocess.run(command, input=json.dumps(called), env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert not found.stderr
    answered: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return answered


def documents(contents: list[bytes]) -> list[Any]:
    """What a backfill makes of the records."""
    made = []
    for content in contents:
        shaper = Shaper(dataset_of("shop", intake={"metadata": None}), Place("logs", "2023/11/14/22/a"))
        for one in map(shaper.shaped, Reading([content])):
            if isinstance(one, Document):
                made.append((one.id, json.loads(one.source)))
            elif isinstance(one, Dead):
                made.append((one.id, one.reason))
    return made


def test_it_is_small_and_holds_nothing_but_our_modules(archive: Path, tmp_path: Path) -> None:
    assert archive.stat().st_size < 1_000_000
    names = zipfile.ZipFile(archive).namelist()
    assert {name for name in names if not name.startswith("opensearch_strata/")} == {"LICENSE", "NOTICE"}
    assert "opensearch_strata/aws_lambda/firehose.py" in names
    assert not [name for name in names if "/airflow/" in name or "/cli/" in name or name.endswith(".pyc")]
    lambda_zip.build(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


@pytest.mark.parametrize("version", VERSIONS)
def test_it_runs_with_the_standard_library_alone_and_its_lines_load_like_the_raw_records(
    archive: Path, version: str
) -> None:
    called = invocation(RECORDS)
    found = run(python_of(version), called, archive)
    assert [name for name in found["foreign"] if not name.startswith("_")] == ["opensearch_strata"]
    here, _ = transform(called)
    results = [record["result"] for record in found["answer"]["records"]]
    assert results == [record["result"] for record in here["records"]]
    assert results == ["Dropped", *["Ok"] * (len(MESSAGES) + 2), *["ProcessingFailed"] * 4]
    good = [n for n, result in enumerate(results) if result == "Ok"]
    raw = documents([RECORDS[number] for number in good])
    assert len(raw) == sum(map(len, MESSAGES.values())) + 2 - 1  # the head of a log file is no event
    assert documents([data_in(found["answer"]["records"][number]) for number in good]) == raw


@pytest.mark.parametrize("version", VERSIONS)
def test_it_sends_again_with_boto3(archive: Path, only_boto3: Path, s3_url: str, version: str) -> None:
    stream = f"zip-{version.replace('.', '-')}"
    kinesis = boto3.client("kinesis", endpoint_url=s3_url, region_name="us-east-1", **_LOGIN)
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    called = invocation([data_message(["x" * 4_000_000], number, logGroup="app") for number in range(2)])
    arn = f"arn:aws:kinesis:us-east-1:123456789012:stream/{stream}"
    found = run(
        python_of(version), called | {"sourceKinesisStreamArn": arn}, archive, only_boto3, **s3_environment(s3_url)
    )
    assert [record["result"] for record in found["answer"]["records"]] == ["Ok", "Dropped"]
    assert not {"pydantic", "orjson", "opensearchpy"} & {*found["foreign"]}


_LOGIN = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def test_a_module_that_needs_more_stops_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_zip, "HANDLER", "opensearch_strata.definition.loading.intake.Intake")
    with pytest.raises(StackError, match="No module named 'pydantic'"):
        lambda_zip.build(tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_is_too_large_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_zip, "MOST_BYTES", 10_000)
    with pytest.raises(StackError, match="more than the 10,000"):
        lambda_zip.build(tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_utc_needs_no_database_of_time_zones() -> None:
    program = "import sys, zoneinfo; sys.path.insert(0, sys.argv[1]); zoneinfo.reset_tzpath(to=[])\n" + (
        "from opensearch_strata.archive.timestamps import zone_of\n"
        "from datetime import datetime\n"
        "print(datetime(2023, 7, 1, tzinfo=zone_of('UTC')).isoformat(), zone_of('UTC').key)\n"
        "zone_of('Europe/Berlin')"
    )
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(PROJECT / "plugins")], capture_output=True, text=True
    )
    assert found.stdout == "2023-07-01T00:00:00+00:00 UTC\n"
    assert "ZoneInfoNotFoundError" in found.stderr
