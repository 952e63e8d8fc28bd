"""Seeded documents of devices that report all day: the reference workload of the history benchmark.

A document is about 1.3 KB of JSON: eleven numbers with the decimals of real sensors, and the text that accompanies
them. Ten metrics are near-normal or bounded, `latency` is heavy-tailed, `signal` and sometimes `temperature` are
negative, and three metrics are missing in 2% of the documents. Documents arrive in the order of their times, like those
of a real fleet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

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
    for reports in rounds(day, count, seed):
        for device in np.argsort(reports.moments, kind="stable"):
            numbers = {
                name: int(values[device]) if SENSORS[name].kind == "short" else float(values[device])
                for name, values in reports.values.items()
                if not np.isnan(values[device])
            }
            moment, noise = int(reports.moments[device]), reports.noise[device].tolist()
            yield orjson.dumps(_document(moment, int(device), numbers, noise))


def _document(moment: int, device: int, numbers: dict[str, Any], noise: list[int]) -> dict[str, Any]:
    a, b, c = noise
    words = " ".join(WORDS[(a >> shift) % len(WORDS)] for shift in range(0, 36, 3))
    return {
        "@timestamp": moment,
        "device": device_name(device),
        "site": f"site-{device % 37:02d}",
        "model": f"T{device % 5}-industrial",
        "firmware": f"4.{device % 3}.{b % 4}",
        "gateway": f"gw-{device % 61:03d}.plant.example.com",
        "operator": f"shift-{(b >> 8) % 3}",
        "request": f"{a:016x}{b:016x}",
        "location": f"hall {device % 7}, row {device % 19}, rack {device % 11}, slot {device % 23}",
        "trace": f"{a ^ b:016x}",
        "status": 200 if c % 50 else 503,
        **numbers,
        "message": f"report {a >> 20} of {device_name(device)}: {words}; next report in 45 s, queue {c % 977}, retries "
        f"{c % 3}, uplink {c % 1013} ms; firmware channel stable, clock offset {b % 4001} us; {_FORMULA}/"
        f"sites/{device % 37:02d}/devices/{device:05d}/reports for all reports of the device",
    }


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
