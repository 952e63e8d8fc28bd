"""The answer to Firehose: what became of each record, within the size that AWS Lambda can return. Pure.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

MOST_BYTES = 6_000_000
"""Bytes of the answer; AWS states 6 MB for what a function receives and returns."""

MOST_LINES = 4_400_000
"""Bytes of lines of one record that an answer holds next to many other records; base64 makes four bytes of three."""


class Answer:
    """What became of each record, in the order of the records; ``ProcessingFailed`` until something else is known.

    Firehose keeps the original of a failed record under the error prefix.

    :param ids: ``recordId`` of each record, as Firehose gave it
    :param data: key under which a record has its data
    """

    def __init__(self, ids: Sequence[Any], data: str) -> None:
        self._records: list[dict[str, Any]] = [{"recordId": id, "result": "ProcessingFailed"} for id in ids]
        self._data = data
        self.bytes = len(json.dumps(self.sent))

    @property
    def sent(self) -> dict[str, Any]:
        """What the function returns."""
        return {"records": self._records}

    def drop(self, place: int) -> None:
        """Tell Firehose that a record needs nothing more.

        :param place: number of the record, from 0
        """
        self._put(place, {"result": "Dropped"})

    def take(self, place: int, lines: bytes, partition_keys: Mapping[str, str]) -> bool:
        """Put the lines of a record into the answer, if they fit; return whether they do.

        :param place: number of the record, from 0
        :param lines: its data from now on
        :param partition_keys: for dynamic partitioning, none without it
        """
        size = 4 * (-(-len(lines) // 3))
        if self.bytes + size > MOST_BYTES:
            return False
        more = {"metadata": {"partitionKeys": dict(partition_keys)}} if partition_keys else {}
        return self._put(place, {"result": "Ok", self._data: base64.b64encode(lines).decode("ascii"), **more})

    def _put(self, place: int, outcome: dict[str, Any]) -> bool:
        before = self._records[place]
        now = {"recordId": before["recordId"], **outcome}
        size = self.bytes - _written(before, self._data) + _written(now, self._data)
        if size > MOST_BYTES and outcome["result"] == "Ok":
            return False
        self._records[place], self.bytes = now, size
        return True


def _written(record: dict[str, Any], data: str) -> int:
    """Bytes of a record as JSON. Its data, which base64 leaves without anything to escape, is not written for this."""
    text = record.get(data, "")
    return len(json.dumps({**record, data: ""} if text else record)) + len(text)
