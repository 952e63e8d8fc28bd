"""Seeded documents of devices that report all day: the reference workload of the history benchmark.

A document is about 1.3 KB of JSON: eleven numbers with the decimals of real sensors, and the text that accompanies
them. Ten metrics are near-normal or bounded, `latency` is heavy-tailed, `signal` and sometimes `temperature` are
negative, and three metrics are missing in 2% of the documents. Documents arrive in the order of their times, like those
of a real fleet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

import numpy as np
import orjson

BODY_BYTES = 6_000_000
PER_HOUR = 80

Numbers = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Sensor:
    """How the values of one metric are distributed: around a level that is specific to each device.

    :param decimals: decimal places that the sensor reports
    :param kind: mapping type of its field
    :param shape: ``normal``, ``uniform`` or ``lognormal`` (the spread is then that of the logarithm)
    :param low: level of the lowest device, or lower bound
    :param high: level of the highest device, or upper bound
    :param limits: values outside are clipped
    :param missing: share of the documents that lack the metric
    """

    decimals: int
    kind: str
    shape: str
    low: float
    high: float
    spread: float = 0.0
    limits: tuple[float, float] = (-np.inf, np.inf)
    missing: float = 0.0

    def draw(self, rng: np.random.Generator, levels: Numbers) -> Numbers:
        """One value for each device's level (0 .. 1)."""
        middle = self.low + (self.high - self.low) * levels
        if self.shape == "uniform":
            values = rng.uniform(self.low, self.high, levels.size)
        elif self.shape == "lognormal":
            values = rng.lognormal(np.log(middle), self.spread)
        else:
            values = rng.normal(middle, self.spread)
        return values.clip(*self.limits).round(self.decimals)


SENSORS = {
    "temperature": Sensor(2, "float", "normal", -5, 35, 1.5),
    "humidity": Sensor(1, "float", "normal", 30, 80, 5, (0, 100), missing=0.02),
    "pressure": Sensor(1, "float", "normal", 990, 1030, 2.5),
    "voltage": Sensor(3, "float", "normal", 3.2, 4.1, 0.03),
    "signal": Sensor(0, "short", "normal", -95, -55, 5),
    "current": Sensor(3, "float", "normal", 0.4, 1.4, 0.08, (0, 5)),
    "power": Sensor(2, "float", "normal", 40, 120, 6, (0, 500)),
    "vibration": Sensor(2, "float", "normal", 2, 5, 0.5, (0, 50), missing=0.02),
    "flow": Sensor(2, "double", "normal", 12, 22, 1, (0, 100)),
    "load": Sensor(1, "float", "uniform", 0, 100),
    "latency": Sensor(2, "double", "lognormal", 20, 80, 0.9, missing=0.02),
}
"""The eleven metrics, by the names of their fields."""

WORDS = ("accepted", "buffered", "calibrated", "delayed", "forwarded", "sampled", "stored", "verified")


def raw_mapping() -> dict[str, Any]:
    """Mapping of a raw day."""
    keywords = ("device", "site", "model", "firmware", "request", "trace", "location", "gateway", "operator")
    return {
        "dynamic": "strict",
        "properties": {
            "@timestamp": {"type": "date"},
            **{name: {"type": "keyword"} for name in keywords},
            **{name: {"type": sensor.kind} for name, sensor in SENSORS.items()},
            "status": {"type": "short"},
            "message": {"type": "text"},
        },
    }


_FORMULA = (
    "no operator action is needed for this report: all values are within the limits of the site's plan, and were "
    "signed by the gateway before they were sent over the public network with the certificate of plant.example.com "
    "that is renewed on the first day of each month; limits of the plan for this model are kept in the register of the "
    "plant, changes to them are announced one week ahead to all shifts and take effect at midnight in the time zone of "
    "the site; see https://devices.example.com"
)
"""Text that every message repeats, as real messages do."""


@dataclass(frozen=True)
class Round:
    """One report from every device: arrays with one element for each of them.

    :param moments: times in epoch milliseconds
    :param values: values by metric; NaN if the document lacks the metric
    :param noise: three random integers per device, from which the text is made
    """

    moments: np.ndarray[Any, np.dtype[np.int64]]
    values: dict[str, Numbers]
    noise: np.ndarray[Any, np.dtype[np.int64]]


def device_name(device: int) -> str:
    """Name of a device in documents."""
    return f"device-{device:05d}"


def devices_of(count: int) -> int:
    """How many devices send about `count` documents a day."""
    return max(1, round(count / 24 / PER_HOUR))


def rounds(day: date, count: int, seed: int = 0) -> Iterator[Round]:
    """The reports of a day, 80 rounds an hour: the same numbers as in :func:`documents`, without the text."""
    devices = devices_of(count)
    rng = np.random.default_rng([seed, day.toordinal()])
    levels = {name: np.random.default_rng([seed, place]).random(devices) for place, name in enumerate(SENSORS)}
    start = int(datetime.combine(day, time.min, UTC).timestamp() * 1000)
    every = 3_600_000 // PER_HOUR
    for number in range(24 * PER_HOUR):
        moments = start + number * every + rng.integers(0, every, devices)
        values = {name: sensor.draw(rng, levels[name]) for name, sensor in SENSORS.items()}
        for name, sensor in SENSORS.items():
            values[name][rng.random(devices) < sensor.missing] = np.nan
        yield Round(moments, values, rng.integers(0, 1 << 62, (devices, 3)))


def documents(day: date, count: int, seed: int = 0) -> Iterator[bytes]:
    """JSON of about `count` documents of a day, from as many devices as it takes at 80 documents an hour."""
    fleet = [_Device.numbered(device) for device in range(devices_of(count))]
    for reports in rounds(day, count, seed):
        yield from "\n".join(_texts(reports, fleet)).encode().split(b"\n")


class _Device(NamedTuple):
    """What all documents of a device repeat, between the parts that change."""

    head: str
    gateway: str
    location: str
    name: str
    tail: str

    @classmethod
    def numbered(cls, device: int) -> _Device:
        name = device_name(device)
        return cls(
            f'"device":"{name}","site":"site-{device % 37:02d}","model":"T{device % 5}-industrial",'
            f'"firmware":"4.{device % 3}.',
            f'","gateway":"gw-{device % 61:03d}.plant.example.com","operator":"shift-',
            f'","location":"hall {device % 7}, row {device % 19}, rack {device % 11}, slot {device % 23}","trace":"',
            name,
            f" us; {_FORMULA}/sites/{device % 37:02d}/devices/{device:05d}/reports for all reports of the device",
        )


_TRIPLES = [" ".join(WORDS[number >> shift & 7] for shift in (0, 3, 6)) for number in range(512)]


def _texts(reports: Round, fleet: Sequence[_Device]) -> Iterator[str]:
    """Documents of a round in the order of their times, column by column as far as possible: a large day has many."""
    order = np.argsort(reports.moments, kind="stable")
    a, b, c = reports.noise[order].T
    triples = [map(_TRIPLES.__getitem__, (a >> shift & 511).tolist()) for shift in (0, 9, 18, 27)]
    columns = zip(*(_numbers(name, values[order]) for name, values in reports.values.items()), strict=True)
    for (
        device,
        moment,
        patch,
        shift,
        request,
        trace,
        status,
        numbers,
        words,
        report,
        queue,
        retries,
        uplink,
        clock,
    ) in zip(
        map(fleet.__getitem__, order.tolist()),
        reports.moments[order].tolist(),
        (b % 4).tolist(),
        ((b >> 8) % 3).tolist(),
        map("".join, zip(_hexadecimal(a), _hexadecimal(b), strict=True)),
        _hexadecimal(a ^ b),
        np.where(c % 50, 200, 503).tolist(),
        map("".join, columns),
        map(" ".join, zip(*triples, strict=True)),
        (a >> 20).tolist(),
        (c % 977).tolist(),
        (c % 3).tolist(),
        (c % 1013).tolist(),
        (b % 4001).tolist(),
        strict=True,
    ):
        yield (
            f'{{"@timestamp":{moment},{device.head}{patch}{device.gateway}{shift}","request":"{request}'
            f'{device.location}{trace}","status":{status}{numbers},"message":"report {report} of {device.name}: '
            f"{words}; next report in 45 s, queue {queue}, retries {retries}, uplink {uplink} ms; firmware channel "
            f'stable, clock offset {clock}{device.tail}"}}'
        )


def _numbers(name: str, values: Numbers) -> list[str]:
    """The values of a metric as parts of JSON objects; nothing for a document without the metric."""
    whole = SENSORS[name].kind == "short"
    texts = orjson.dumps((values.astype(np.int64) if whole else values).tolist()).decode()[1:-1].split(",")
    return ["" if text == "null" else f',"{name}":{text}' for text in texts]


def _hexadecimal(numbers: np.ndarray[Any, np.dtype[np.int64]]) -> list[str]:
    text = numbers.astype(">i8").tobytes().hex()
    return [text[place : place + 16] for place in range(0, len(text), 16)]


def bodies(day: date, count: int, seed: int = 0) -> Iterator[bytes]:
    """The documents as bulk bodies of about 6 MB, for requests that name the index."""
    lines: list[bytes] = []
    size = 0
    for line in documents(day, count, seed):
        lines += [b'{"index":{}}', line]
        size += len(line) + 13
        if size >= BODY_BYTES:
            yield b"\n".join([*lines, b""])
            lines, size = [], 0
    if lines:
        yield b"\n".join([*lines, b""])
