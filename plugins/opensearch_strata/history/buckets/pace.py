"""How much of a span one search should ask for. Pure."""

from __future__ import annotations

from opensearch_strata.history.buckets.aggregation import PAGE_SIZE


class Pace:
    """How many units the next search asks for: as many as fill about a page.

    For each of its pages a composite aggregation looks at every document of its query again. Kept to about one page,
    all searches together cost what one look at every document costs.

    :param most: units beyond which a search is not grown, whatever it finds: its answer must come in time
    :param first: units of the first search; where no groups are kept apart, units are records
    """

    def __init__(self, most: int, first: int = 1) -> None:
        self._most = max(most, 1)
        self.units = max(1, min(first, self._most))

    def learn(self, units: int, buckets: int) -> None:
        """Take notice of what a search of so many units found.

        :param units: what the search spanned, in the unit of :attr:`units`
        :param buckets: how many it found
        """
        fitting = units * PAGE_SIZE * 4 // (5 * buckets) if buckets else self._most
        self.units = max(1, min(fitting, 4 * units, self._most))
