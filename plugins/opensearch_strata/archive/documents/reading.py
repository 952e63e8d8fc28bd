"""How a dataset reads objects, as far as it decides whether what was loaded earlier still stands. Pure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from opensearch_strata.definition.index_names import IndexTemplate
from opensearch_strata.definition.loading.event_rules import NO_RULES, RuleMarks, marks_of
from opensearch_strata.definition.notation.lists import listed

if TYPE_CHECKING:
    from opensearch_strata.definition.dataset import Dataset

_NOT_HOW = {"queue", "max_wait", "sweep", "skip_keys"}  # keys that decide whether and when an object is read, not how
_ARCHIVED = "archived"


class Landing(NamedTuple):
    """What decides where events become documents, as short hashes.

    :param names: of what names the raw index of a day
    :param times: of what decides when an event happened and which day that is; ``archived`` if a manifest says the day
    :param formats: of each format of times, in the order in which they are tried
    """

    names: str
    times: str
    formats: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> Landing:
        """The landing that was written by :attr:`text`.

        :param text: not empty
        """
        names, times, *formats = text.split()
        return cls(names, times, tuple(formats))

    @property
    def text(self) -> str:
        """The landing as one text: the hashes, separated by spaces."""
        return " ".join((self.names, self.times, *self.formats))

    def is_elsewhere(self, then: Landing) -> bool:
        """Whether events of then are in raw indices of other names, or were put there by other means.

        Loading them again stores nothing twice in an index.

        :param then: of a load
        """
        by_day = {self.times, then.times} & {_ARCHIVED}
        return self.names != then.names or (bool(by_day) and self.times != then.times)

    def is_at_other_times(self, then: Landing) -> bool:
        """Whether events of then may have other times now.

        Loading them again would store those a second time, as the time is a part of the id. Formats that were added
        after those of then leave the times that were read as they are.

        :param then: of a load
        """
        if self.is_elsewhere(then):
            return False
        goes_on = self.formats[: len(then.formats)] == then.formats and bool(then.formats) == bool(self.formats)
        return self.times != then.times or not goes_on


class ReadAs(NamedTuple):
    """How a dataset reads objects.

    :param definition: hash of everything that decides which events an object has and when they happened; equal hashes,
        equal events
    :param rules: which of these events are left out
    :param landing: where the others become documents
    :param indices: names of the raw days
    """

    definition: str
    rules: RuleMarks
    landing: Landing
    indices: IndexTemplate


def reading_of(dataset: Dataset) -> ReadAs:
    """How a dataset reads objects."""
    said = dataset.model_dump_json(
        include={"raw": {"index", "day_format", "timestamp"}, "intake": True, "time_zone": True},
        exclude={"intake": {*_NOT_HOW, "keep", "skip"}},
    )
    intake, timestamp = dataset.intake, dataset.raw.timestamp
    renamed = [pair for pair in intake.rename.items() if any(_holds(path, timestamp) for path in pair)]
    times = _hash(timestamp, dataset.time_zone, intake.log_time_zone, *(path for pair in renamed for path in pair))
    landing = Landing(_names(dataset), times, tuple(map(_hash, listed(intake.timestamp_format))))
    rules = marks_of(intake.keep, intake.skip)
    return ReadAs(hashlib.sha256(said.encode()).hexdigest()[:16], rules, landing, dataset.raw.names)


def restoring_of(dataset: Dataset) -> ReadAs:
    """How a dataset restores its own archives: every document, in the raw day that it was archived from."""
    return ReadAs(_ARCHIVED, NO_RULES, Landing(_names(dataset), _ARCHIVED), dataset.raw.names)


def _names(dataset: Dataset) -> str:
    return _hash(dataset.raw.index, dataset.raw.day_format)


def _holds(path: str, field: str) -> bool:
    """Whether a path is that of a field, or of an object that it is in."""
    return path == field or field.startswith(f"{path}.")


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
