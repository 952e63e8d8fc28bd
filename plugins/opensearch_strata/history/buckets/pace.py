"""How much of a span one search should ask for. Pure."""

from __future__ import annotations

from opensearch_strata.history.buckets.aggregation import PAGE_SIZE
from opensearch_strata.history.buckets.group_ranges import MOST_DOCUMENTS


class Pace:
    """How many units the next search asks for: as many as fill about one page.

    A composite aggregation looks at every document of its query again for each of its pages. If each search fills about
    one page, all searches together look at each document about once.

    :param most: the most units of a search, whatever it finds, so that its answer arrives in time
    :param first: units of the first search; if no groups are kept apart, units are records
    :param page: how many buckets a page holds, :data:`PAGE_SIZE` by default
    """

    def __init__(self, most: int, first: int = 1, page: int | None = None) -> None:
        self._most = max(most, 1)
        self._page = page or PAGE_SIZE
        self.units = max(1, min(first, self._most))

    def learn(self, units: int, buckets: int, documents: int = 0) -> None:
        """Adjust the pace to the result of a search.

        :param units: how many units the search spanned, see :attr:`units`
        :param buckets: how many buckets it found
        :param documents: how many documents it looked at, if so many matter
        """
        fitting = units * self._page * 4 // (5 * buckets) if buckets else self._most
        if documents:
            fitting = min(fitting, units * MOST_DOCUMENTS // documents)
        self.units = max(1, min(fitting, 4 * units, self._most))
