"""``strata backfill`` of logs that need a word: without it the load is never proven, with it it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from opensearchpy import OpenSearch

from local.samples.cloudwatch import object_key
from tests.archives import PREFIX, Archive, forget_ledger, held, intake_of
from tests.shell import Shell
from tests.streams import DAY, Stream

SEVEN = datetime(DAY.year, DAY.month, DAY.day, 7, tzinfo=UTC)
FEW = [{"device": f"d{number}", "temperature": number / 2, "load": number} for number in range(5)]

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def made(client: OpenSearch, shell: Shell) -> Iterator[list[Stream]]:
    streams: list[Stream] = []
    yield streams
    for stream in streams:
        forget_ledger(client, stream.dataset.name)


def load(shell: Shell, made: list[Stream], archive: Archive, exit_code: int, **intake: Any) -> tuple[Stream, str]:
    """A backfill of the day by a dataset of its own; its last line."""
    stream = shell.stream(intake=intake_of(archive.bucket, **intake))
    made.append(stream)
    result = shell.run(f"backfill {stream.dataset.name} --from {DAY} --to {DAY} --apply", exit_code)
    return stream, result.output.splitlines()[-1]


def put(archive: Archive, key: str, content: bytes) -> None:
    archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=content)


def lines(documents: Iterable[dict[str, Any]]) -> bytes:
    return b"\n".join(map(orjson.dumps, documents))


def test_seconds_are_not_proven_until_the_unit_is_stated(shell: Shell, made: list[Stream], archive: Archive) -> None:
    moment = int(SEVEN.timestamp())
    put(archive, object_key(PREFIX, "s", SEVEN), lines({"@timestamp": moment + n, **one} for n, one in enumerate(FEW)))
    _, said = load(shell, made, archive, 1)
    assert "NOT proven: objects in quarantine (1)" in said
    assert f"'@timestamp', {moment}, reads as 1970-" in said
    stream, said = load(shell, made, archive, 0, timestamp_format="epoch_seconds")
    assert said.startswith("Proven: 5 events read = 5 created")
    assert len(held(stream, DAY)) == 5


def test_keys_of_another_clock_are_not_proven_until_it_is_stated(
    shell: Shell, made: list[Stream], archive: Archive
) -> None:
    for hour in (0, 7):  # the first lies under the day before in New York, where nobody looks
        happened = SEVEN.replace(hour=hour)
        key = object_key(PREFIX, "s", happened - timedelta(hours=5))
        put(archive, key, lines({"@timestamp": happened.isoformat(), **one} for one in FEW))
    _, said = load(shell, made, archive, 1)
    assert "later than the keys of their objects" in said
    assert "intake.layout_time_zone to the clock of the keys, or a longer intake.max_clock_lead, and load these" in said
    stream, said = load(shell, made, archive, 0, layout_time_zone="America/New_York")
    assert said.startswith("Proven: 10 events read = 10 created")
    assert len(held(stream, DAY)) == 10


def test_an_array_of_events_is_loaded_by_its_elements(shell: Shell, made: list[Stream], archive: Archive) -> None:
    records = [{"eventTime": SEVEN.isoformat(), **one} for one in FEW]
    put(archive, object_key(PREFIX, "s", SEVEN), orjson.dumps({"count": 5, "Records": records}))
    rename = {"eventTime": "@timestamp"}
    _, said = load(shell, made, archive, 1, rename=rename)
    assert "NOT proven" in said
    _, said = load(shell, made, archive, 1, rename=rename, unwrap="records")
    assert "It does not have the array 'records' that intake.unwrap names." in said
    stream, said = load(shell, made, archive, 0, rename=rename, unwrap="Records")
    assert said.startswith("Proven: 5 events read = 5 created")
    assert len(held(stream, DAY)) == 5


def test_lines_of_text_are_loaded_by_a_pattern(shell: Shell, made: list[Stream], archive: Archive) -> None:
    text = [f"{SEVEN:%d/%b/%Y:%H:%M:%S} +0000 {one['device']} {one['load']}" for one in FEW]
    put(archive, object_key(PREFIX, "s", SEVEN), "\n".join(["# a head", *text]).encode())
    intake: dict[str, Any] = {
        "parser": "auto",
        "pattern": ["#.*", r"(?P<time>\S+ \S+) (?P<device>\S+) (?P<load>\d+)"],
        "rename": {"time": "@timestamp"},
        "cast": {"load": "integer"},
    }
    _, said = load(shell, made, archive, 1, **intake)
    assert "+0000', which is neither ISO 8601 nor a number of milliseconds" in said
    stream, said = load(shell, made, archive, 0, timestamp_format="%d/%b/%Y:%H:%M:%S %z", **intake)
    assert said.startswith("Proven: 6 events read = 5 created + 0 already there + 1 of other days")
    assert {one["load"] for one in held(stream, DAY)} == {0, 1, 2, 3, 4}
