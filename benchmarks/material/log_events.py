"""Seeded log events as Firehose writes them to S3: the reference workload of the backfill benchmark. Pure.

Two log groups alternate, envelope by envelope: an application that logs JSON, and the general log of MySQL on RDS.
Messages have a stated length; their varying part is text from a vocabulary of 2,000 words, so that gzip saves about as
much as with real logs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from typing import Any

import orjson

from local.samples.cloudwatch import data_record, log_event

JSON_GROUP = "/app/checkout"
MYSQL_GROUP = "/aws/rds/instance/shop/general"
GROUPS = (JSON_GROUP, MYSQL_GROUP)
STREAM = "shop-1"
IN_ENVELOPE = 100
START = int(datetime(2026, 5, 4, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 86_400_000
EVERY_MS = 2
"""Milliseconds from one event to the next: 43 million events a day."""
MOST_EVENTS = DAY_MS // EVERY_MS

_SYLLABLES = ("ba", "cor", "del", "fi", "gam", "hu", "jor", "kel", "lam", "mi", "nor", "pa", "qui", "ras", "tel", "vo")
_WORDS = 2000
_PHRASES = 4096
_PHRASE = 96


@dataclass(frozen=True)
class LogStream:
    """A stream of events.

    :param message_bytes: length of a message
    :param events: total number of events, at most MOST_EVENTS
    :param groups: log groups whose envelopes alternate
    :param most_in_object: maximum number of events in one object; None: what makes a few MB
    """

    message_bytes: int
    events: int
    groups: Sequence[str] = GROUPS
    most_in_object: int | None = None

    @property
    def in_object(self) -> int:
        """Number of events in one object: a few MB when gzipped, or a tenth of all events if that is less."""
        if self.most_in_object:
            return self.most_in_object
        most = max(IN_ENVELOPE, 10_000_000 // self.message_bytes)
        return min(most, max(IN_ENVELOPE, self.events // 10))

    def objects(self) -> Iterator[range]:
        """Numbers of the events of each object."""
        numbers = range(self.events)
        for start in range(0, self.events, self.in_object):
            yield numbers[start : start + self.in_object]

    def moment(self, number: int) -> int:
        """When an event happened, in epoch milliseconds."""
        return START + number * EVERY_MS

    def records(self, numbers: range) -> Iterator[bytes]:
        """The gzip members of an object, one envelope each."""
        left = iter(numbers)
        while chosen := list(islice(left, IN_ENVELOPE)):
            group = self.groups[chosen[0] // IN_ENVELOPE % len(self.groups)]
            yield data_record(group, STREAM, [self._event(group, number) for number in chosen])

    def _event(self, group: str, number: int) -> dict[str, Any]:
        moment = self.moment(number)
        return log_event(number, moment, _WRITERS[group](number, moment, self.message_bytes))


def json_message(number: int, moment: int, length: int) -> str:
    """A line of an application's log, as JSON of `length` bytes."""
    rng = random.Random(number)
    record = {
        "level": ("INFO", "INFO", "INFO", "WARN")[number % 4],
        "service": f"checkout-{number % 7}",
        "request_id": f"{rng.getrandbits(128):032x}",
        "user_id": rng.randrange(1_000_000),
        "path": f"/v1/orders/{rng.randrange(100_000)}",
        "status": 200 if number % 50 else 503,
        "duration_ms": round(rng.expovariate(0.02), 2),
        "sent_at": moment,
        "message": "",
    }
    record["message"] = _text(rng, length - len(orjson.dumps(record)))
    return orjson.dumps(record).decode()


def mysql_message(number: int, moment: int, length: int) -> str:
    """An entry of MySQL's general log (8.x) of `length` bytes."""
    rng = random.Random(number)
    time = datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    head = f"{time}\t{rng.randrange(99_999):5d} Query\tSELECT o.id, o.total FROM orders o WHERE o.customer = "
    head += f"{rng.randrange(1_000_000)} AND o.state = {number % 5} AND o.note = '"
    return f"{head}{_text(rng, length - len(head) - 1)}'"


_WRITERS: dict[str, Callable[[int, int, int], str]] = {JSON_GROUP: json_message, MYSQL_GROUP: mysql_message}


def _text(rng: random.Random, length: int) -> str:
    phrases = _phrases()
    bits = rng.getrandbits(12 * (length // _PHRASE + 1))
    chosen = [phrases[bits >> shift & (_PHRASES - 1)] for shift in range(0, bits.bit_length(), 12)]
    return " ".join(chosen)[:length].ljust(length, ".")


@cache
def _phrases() -> list[str]:
    rng = random.Random(0)
    words = ["".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(_WORDS)]
    return [" ".join(rng.choices(words, k=_PHRASE // 4))[:_PHRASE] for _ in range(_PHRASES)]
