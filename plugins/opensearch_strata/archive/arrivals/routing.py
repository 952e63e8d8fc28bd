"""Which datasets take a new object, and why others leave it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

from opensearch_strata.archive.dead_letters.letter import dead_letters_url
from opensearch_strata.archive.store.keys import REASONS, Layout, Reason, arrival_of, reason_apart
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.loading.intake import length_of, split_s3_url
from opensearch_strata.definition.notation.queue_address import queue_address

Aside = Literal[Reason, "archive", "layout", "no_dataset", "other_event"]

ASIDE: Mapping[Aside, str] = {
    **dict[Aside, str](REASONS.items()),
    "archive": "raw days that Strata archived; a restore loads them",
    "layout": "keys that are not laid out as intake.layout says, so that no backfill would find them either",
    "no_dataset": "below the source of no dataset with this queue",
    "other_event": "events of S3 that announce no new object",
}
"""Why something that a queue tells is not loaded."""


@dataclass(frozen=True)
class Route:
    """The objects that one dataset takes.

    :param dead_letters: s3://bucket/prefix/ of its dead letters
    """

    dataset: Dataset
    bucket: str
    prefix: str
    dead_letters: str
    layout: Layout | None

    @property
    def max_wait(self) -> float:
        """Seconds for which documents wait for others before they are sent."""
        return length_of(self.dataset.intake.max_wait).total_seconds()

    @classmethod
    def of(cls, dataset: Dataset) -> Route:
        """The route of a dataset that has a queue.

        :raises ValueError: it has no source, or the prefix of its dead letters cannot be used
        """
        intake = dataset.intake
        if intake.source is None:
            raise ValueError(f"dataset {dataset.name!r} has no intake.source")
        layout = Layout(intake.layout, ZoneInfo(intake.layout_time_zone)) if intake.layout else None
        return cls(dataset, *split_s3_url(intake.source), dead_letters_url(intake, intake.source), layout)

    def takes(self, bucket: str, key: str) -> bool:
        """Whether an object lies below the source of the dataset.

        :param bucket: its name
        :param key: the object's full key
        """
        return bucket == self.bucket and key.startswith(self.prefix)

    def aside(self, key: str, size: int) -> Aside | None:
        """Why an object below the source is not loaded; None if it is. A listing decides the same.

        :param key: the object's full key
        :param size: bytes; -1 if it is not known
        """
        bucket, letters = split_s3_url(self.dead_letters)
        if bucket == self.bucket and not self.prefix.startswith(letters) and key.startswith(letters):
            return "dead_letters"
        rest = key.removeprefix(self.prefix)
        if reason := reason_apart(rest, size, self.dataset.intake.skip_keys):
            return reason
        return "layout" if self.layout and arrival_of(self.layout, rest) is None else None


class Routes:
    """The routes of all datasets that share a queue.

    :param datasets: those with the queue
    :param archives: s3://bucket/prefix/ of the archives of all datasets, which no dataset takes
    :param is_sure: whether every definition is known; otherwise, any object, also one that others take or that they
        leave aside, may belong to a dataset that cannot be read now
    """

    def __init__(self, datasets: Sequence[Dataset], archives: Collection[str], *, is_sure: bool) -> None:
        self.routes = [Route.of(dataset) for dataset in datasets]
        self.is_sure = is_sure
        self._archives = [split_s3_url(url) for url in archives]

    def of(self, bucket: str, key: str, size: int) -> tuple[list[Route], list[Aside]]:
        """The routes that load an object, and why others, or none, do not.

        :param bucket: its name
        :param key: the object's full key
        :param size: bytes; -1 if it is not known
        """
        if any(bucket == name and key.startswith(prefix) for name, prefix in self._archives):
            return [], ["archive"]
        taking = [route for route in self.routes if route.takes(bucket, key)]
        if not taking:
            return [], ["no_dataset"]
        reasons = [(route, route.aside(key, size)) for route in taking]
        return [route for route, reason in reasons if reason is None], [reason for _, reason in reasons if reason]


def sharing(dataset: Dataset, others: Collection[Dataset]) -> list[Dataset]:
    """The datasets that have the same queue as a dataset, in the order of their names; it is one of them.

    Whoever receives a message must load all objects in it, as nobody else receives it.

    :param others: all datasets
    :raises ValueError: the dataset has no queue
    """
    if dataset.intake.queue is None:
        raise ValueError(f"dataset {dataset.name!r} has no intake.queue")
    address = queue_address(dataset.intake.queue)
    found = {
        other.name: other
        for other in others
        if other.intake.queue and queue_address(other.intake.queue).is_same(address)
    }
    return [one for _, one in sorted({**found, dataset.name: dataset}.items())]
