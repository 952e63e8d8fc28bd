"""Whether an index has exactly the rows that notes name, without a look at each day of them. Pure.

The number of rows and their highest sequence number are not enough: rows that no note names may make up for some that
were deleted. So the sum of all sequence numbers decides as well. The server answers all three from its cache until the
index changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from opensearch_strata.history.month.marks import VersionParts

ALL_ROWS: dict[str, Any] = {
    "size": 0,
    "track_total_hits": True,
    "aggs": {"sum": {"sum": {"field": "_seq_no"}}, "newest": {"max": {"field": "_seq_no"}}},
}
"""Search body that tells the number of the rows of an index, and their sequence numbers."""

_EXACT = 2**53  # beyond it, a sum in a double is not exact


class NotedRows(NamedTuple):
    """All rows that notes name.

    :param rows: how many they are
    :param seq_no_sum: sum of their sequence numbers
    :param newest: highest of their sequence numbers; -1 if there are no rows
    """

    rows: int
    seq_no_sum: int
    newest: int

    @classmethod
    def of(cls, parts: Iterable[VersionParts]) -> NotedRows:
        """The rows of several units.

        :param parts: the version of the rows of each, all of one index
        """
        known = list(parts)
        newest = max((part.newest for part in known), default=-1)
        return cls(sum(part.rows for part in known), sum(part.seq_no_sum for part in known), newest)

    def are_all_of(self, answer: Mapping[str, Any]) -> bool:
        """Whether an index has these rows and no others.

        :param answer: of the server to :data:`ALL_ROWS`
        """
        if not self.rows or self.seq_no_sum >= _EXACT:
            return False
        found = answer["aggregations"]
        there = answer["hits"]["total"]["value"], found["sum"]["value"], found["newest"]["value"]
        return there == (self.rows, self.seq_no_sum, self.newest)
