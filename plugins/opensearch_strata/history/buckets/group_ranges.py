"""The groups of a raw day divided into ranges: every document is in exactly one of them. Pure.

A range ends where the next one begins, and its documents are those that the query of the next one does *not* find. So
whatever a field's type makes of "greater", no document is lost or found twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Border = tuple[tuple[str, Any], ...]
"""The first group of a range: each group field with its value, None if it is missing."""

Query = dict[str, Any]

MOST_DOCUMENTS = 1_000_000
"""As many documents as a search should look at. The slowest ones, those of the proof, take about 4 s for so many on one
core, so they end in time on a far slower server, too."""

MOST_GROUPS = 500
"""As many groups as a search should add to in turn. Documents come in the order of time, and for each of them the
server needs the script, the readers of the fields and the state of its group, about 10 KB: those of 500 groups stay in
the processor's cache. With 4,000, the same documents take 1.4 to 1.8 times as long."""


@dataclass(frozen=True)
class GroupRange:
    """Groups that follow one another in the order of the composite aggregation: a missing value, then all others.

    :param first: where it begins; None for the first range
    :param end: where the next one begins; None for the last range
    """

    first: Border | None = None
    end: Border | None = None

    def clauses(self) -> dict[str, list[Query]]:
        """Clauses of a ``bool`` query that finds its documents; empty for the range of all groups."""
        return {
            **({"filter": [from_border(self.first)]} if self.first else {}),
            **({"must_not": [from_border(self.end)]} if self.end else {}),
        }

    def cut(self, borders: Sequence[Border]) -> list[GroupRange]:
        """Divide it.

        :param borders: where its parts after the first one begin, in order
        """
        ends = [self.first, *borders, self.end]
        return [GroupRange(*ends[place : place + 2]) for place in range(len(ends) - 1)]


ALL_GROUPS = GroupRange()


def from_border(border: Border) -> Query:
    """The query that finds the documents of a group and of all that follow it.

    :param border: the group
    """
    (field, value), *deeper = border
    there = {"exists": {"field": field}}
    if not deeper:
        return {"match_all": {}} if value is None else {"range": {field: {"gte": value}}}
    later = there if value is None else {"range": {field: {"gt": value}}}
    same = {"bool": {"must_not": there}} if value is None else {"term": {field: value}}
    here = {"bool": {"filter": [same, from_border(tuple(deeper))]}}
    return {"bool": {"should": [later, here], "minimum_should_match": 1}}


class BorderSearch:
    """Finds where to cut a slice of one bucket of time, so that no part has too many groups or documents.

    :param groups: the group fields
    :param page: number of buckets in a page
    """

    def __init__(self, groups: Sequence[str], page: int) -> None:
        self._groups = groups
        self._most = min(page, MOST_GROUPS)
        # Four fifths of a page, so that a few more groups at another time do not take another one.
        self._full = max(1, min(page * 4 // 5, MOST_GROUPS))
        self._part = [0, 0]  # buckets and documents since the last border
        self.buckets = self.documents = 0
        self._found: list[Border] = []
        self._last: Border | None = None  # the first group, then the last border

    def see(self, buckets: Iterable[Mapping[str, Any]]) -> None:
        """Look at buckets, in the order of the composite aggregation, after all earlier ones.

        :param buckets: each with ``key`` and ``doc_count``
        """
        for bucket in buckets:
            documents = bucket["doc_count"]
            self.buckets += 1
            self.documents += documents
            if self._part[0] >= self._full or (self._part[0] and self._part[1] + documents > MOST_DOCUMENTS):
                self._cut(self._group_of(bucket))
            elif self._last is None:
                self._last = self._group_of(bucket)
            self._part[0] += 1
            self._part[1] += documents

    def _group_of(self, bucket: Mapping[str, Any]) -> Border:
        return tuple((field, bucket["key"][field]) for field in self._groups)

    def _cut(self, border: Border) -> None:
        if border != self._last:  # otherwise, a group with several buckets: it is in one part
            self._found.append(border)
        self._last = border
        self._part = [0, 0]

    @property
    def borders(self) -> list[Border]:
        """Where the parts after the first one begin; none if one search is enough for all that was seen."""
        return self._found if self.buckets > self._most or self.documents > MOST_DOCUMENTS else []
