"""Days as events of Airflow's assets, so that DAGs of others can start when data is proven.

An event has the day as its partition key, such as ``2013-03-02``, so only DAGs that are scheduled by partitions
(``PartitionedAssetTimetable``) start; Airflow starts no others for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import Asset

if TYPE_CHECKING:
    from airflow.sdk import Context

Kind = Literal["history", "archive", "restored", "arrived"]
"""What has happened to days: rows proven; archived and proven; loaded from their archive, or from logs, and proven."""


def asset_of(dataset: str, kind: Kind) -> Asset:
    """The asset of what happens to the days of a dataset.

    :param dataset: its name
    :param kind: what happens
    """
    uri = f"strata://{dataset}/{kind}"
    # For any scheme without x-, Airflow asks all providers whether they normalize it, which imports boto3: 0.7 s in the
    # process of each task. None does it for this one.
    asset = Asset(name=uri, uri=f"x-{uri}")
    object.__setattr__(asset, "uri", uri)
    return asset


def tell_days(context: Context, dataset: str, kind: Kind, days: Iterable[date], **counts: int | str) -> None:
    """Emit an event for each day, once the task has succeeded.

    The asset becomes an outlet of this task instance only, because an outlet that a DAG file names gets an event from
    each task that succeeds, whether it did something to a day or not.

    :param context: of the task
    :param dataset: its name
    :param days: the days; no event if there are none
    :param counts: what else the ``extra`` of each event says, of all of these days together
    """
    keys = sorted(f"{day}" for day in days)
    if not keys:
        return
    asset = asset_of(dataset, kind)
    event: Any = context["outlet_events"][asset]
    event.extra = {"dataset": dataset, "days": len(keys), **counts}
    event.add_partitions(keys)
    task = context["task"]
    if asset not in task.outlets:
        task.outlets = [*task.outlets, asset]
