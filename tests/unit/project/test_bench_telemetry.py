"""The reference workload is what the benchmark says it is, and the same for everybody."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, date, datetime

import numpy as np
import orjson
import pytest

from benchmarks.material.telemetry import SENSORS, bodies, devices_of, documents, raw_mapping, rounds
from tests.streams import Document

DAY = date(2026, 5, 6)
COUNT = 4000
DEVICES = 2
FINGERPRINT = "7cbdad12e3db0db928830985d39fa51240a9946966f5ca4943110d0a68c769aa"


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return list(documents(DAY, COUNT))


@pytest.fixture(scope="module")
def parsed(lines: list[bytes]) -> list[Document]:
    return [orjson.loads(line) for line in lines]


def test_a_seed_gives_the_same_bytes_on_every_machine(lines: list[bytes]) -> None:
    assert hashlib.sha256(b"".join(lines)).hexdigest() == FINGERPRINT
    assert next(documents(DAY, COUNT, seed=1)) != lines[0]


def test_documents_have_the_size_of_real_ones(lines: list[bytes]) -> None:
    assert 1200 < np.mean([len(line) for line in lines]) < 1400


def test_each_device_reports_eighty_times_an_hour(parsed: list[Document]) -> None:
    hours = Counter((d["device"], datetime.fromtimestamp(d["@timestamp"] / 1000, UTC)) for d in parsed)
    hours = Counter((device, moment.replace(minute=0, second=0, microsecond=0)) for device, moment in hours.elements())
    assert devices_of(COUNT) == DEVICES
    assert len(hours) == 24 * DEVICES
    assert set(hours.values()) == {80}
    assert {moment.date() for _, moment in hours} == {DAY}


def test_eleven_metrics_and_three_of_them_missing_in_two_percent(parsed: list[Document]) -> None:
    held = {name: sum(name in document for document in parsed) for name in SENSORS}
    assert len(SENSORS) == 11
    for name, sensor in SENSORS.items():
        share = 1 - held[name] / len(parsed)
        assert share == pytest.approx(sensor.missing, abs=0.01 if sensor.missing else 0), name
    assert [name for name, sensor in SENSORS.items() if sensor.missing == 0.02] == ["humidity", "vibration", "latency"]


def test_values_have_the_stated_decimals_and_the_mapping_every_field(parsed: list[Document]) -> None:
    for document in parsed:
        assert document.keys() <= raw_mapping()["properties"].keys()
        for name in SENSORS.keys() & document.keys():
            assert round(document[name], SENSORS[name].decimals) == document[name]


def test_latency_is_heavy_tailed_and_signal_negative(parsed: list[Document]) -> None:
    latency = sorted(document["latency"] for document in parsed if "latency" in document)
    assert latency[int(0.99 * len(latency))] > 5 * latency[len(latency) // 2]
    assert all(document["signal"] < 0 for document in parsed)


def test_rounds_hold_the_numbers_of_the_documents(parsed: list[Document]) -> None:
    documents_of = Counter(
        (moment, name, value)
        for reports in rounds(DAY, COUNT)
        for name, values in reports.values.items()
        for moment, value in zip(reports.moments.tolist(), values.tolist(), strict=True)
        if not np.isnan(value)
    )
    assert documents_of == Counter(
        (d["@timestamp"], name, d[name]) for d in parsed for name in SENSORS.keys() & d.keys()
    )


def test_bodies_carry_every_document(lines: list[bytes]) -> None:
    found = b"".join(bodies(DAY, COUNT)).splitlines()
    assert found[::2] == [b'{"index":{}}'] * len(lines)
    assert found[1::2] == lines
