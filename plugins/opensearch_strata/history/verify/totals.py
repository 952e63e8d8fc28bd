"""What all rows of a day amount to, merged by the server: small enough to be held against a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.buckets.aggregation import recall_body
from opensearch_strata.history.buckets.bucket_pages import PATIENTLY
from opensearch_strata.history.buckets.partials import (
    DistinctCount,
    counts_of_states,
    distinct_of_states,
    merged_of_states,
    split_metrics,
)
from opensearch_strata.history.month.rows_of_day import of_day
from opensearch_strata.sketches.top_values import ValueCounts

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def totals_of_rows(client: OpenSearch, dataset: Dataset, day: date) -> dict[str, dict[str, Any]]:
    """Totals of each metric over all rows of a day, as readers get them; a metric without values is left out.

    :returns: metric -> ``{count, min?, max?, sum?, bins?, registers?}``
    :raises Refused: a row cannot be read: its distribution is damaged
    :raises TransientError: there is no month index: it may be about to be replaced
    """
    from opensearchpy import NotFoundError, RequestError

    names = list(dataset.metrics)
    numbers = split_metrics(dataset, names).numbers
    try:
        answer = PATIENTLY(
            decisive.search, client, dataset.month_index(day), recall_body(dataset, of_day(dataset, day))
        )
        states = answer["aggregations"]["totals"]["value"]
        merged = merged_of_states(dataset, numbers, states, finite=False)
        more = totals_of(counts_of_states(dataset, names, states), distinct_of_states(dataset, names, states))
    except NotFoundError:
        raise TransientError(
            f"{dataset.month_index(day)} is gone: it is being replaced, or was deleted meanwhile. Try again."
        ) from None
    except (RequestError, ValueError) as error:
        raise Refused(
            f"The rows of {day} in {dataset.month_index(day)} cannot be read. {explain(error)} They were kept as they "
            f"are."
        ) from error
    return {**merged, **more}


def totals_of(counts: Mapping[str, ValueCounts], distinct: Mapping[str, DistinctCount]) -> dict[str, dict[str, Any]]:
    """Totals of the metrics whose values are counted, see :func:`totals_of_rows`. Pure.

    :param counts: metrics with top values
    :param distinct: metrics with distinct counts
    """
    sets = {
        name: {"count": one.count, **({"registers": one.wire} if one.wire else {})} for name, one in distinct.items()
    }
    return {**{name: {"count": one.count} for name, one in counts.items()}, **sets}
