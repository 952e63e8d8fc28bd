"""What a backfill will do, and the little that its later steps must know of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.planning.plan import Plan, PlanLimits, make_plan
from opensearch_strata.archive.targets.raw_indices import documents_in, refresh
from opensearch_strata.archive.targets.standing import standings
from opensearch_strata.connections.processes import this_process
from opensearch_strata.definition.days import days_between
from opensearch_strata.errors import DefinitionError, Refused
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.history.raw_day.inspection import inspect_raw_day
from opensearch_strata.workflows.backfill.empty_days import end_load

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlanRef:
    """A plan whose batches are in the ledger; small enough to be handed from task to task.

    :param span: event times that are loaded, epoch milliseconds; the end is exclusive
    :param dead_letters: s3://bucket/prefix/ for what cannot be loaded
    :param batches: how many there are, numbered from 0 on
    :param held: days of the range that the objects may hold, as far as their keys tell: first and last of each run
    """

    plan_id: str
    source: str
    first: date
    last: date
    span: tuple[int, int]
    dead_letters: str
    batches: int
    held: tuple[tuple[date, date], ...]

    @property
    def days(self) -> list[date]:
        """The days whose events are loaded."""
        return days_between(self.first, self.last)

    @property
    def held_days(self) -> list[date]:
        """The days that are known to be needed before anything is read."""
        return [day for first, last in self.held for day in days_between(first, last)]

    def as_json(self) -> dict[str, Any]:
        """The same as a small JSON object."""
        held = [[f"{first}", f"{last}"] for first, last in self.held]
        days = {"first": f"{self.first}", "last": f"{self.last}", "held": held}
        return {**asdict(self), **days, "span": list(self.span)}

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Self:
        """What :meth:`as_json` gave.

        :param value: a JSON object, parsed
        """
        first, last = date.fromisoformat(value["first"]), date.fromisoformat(value["last"])
        start, end = value["span"]
        held = tuple((date.fromisoformat(one), date.fromisoformat(other)) for one, other in value["held"])
        return cls(**{**value, "first": first, "last": last, "span": (start, end), "held": held})


def plan_backfill(
    s3: BaseClient,
    client: OpenSearch,
    dataset: Dataset,
    source: str | None,
    first: date,
    last: date,
    *,
    max_batches: int = 1024,
    serverless: bool = False,
) -> Plan:
    """Find the objects that may hold events of some days and are not loaded yet. Changes nothing, but that what a
    killed load left behind is put in order: settings are given back, days that it made and left empty are deleted.

    Objects whose documents are gone, because their raw day was deleted meanwhile, are loaded again.

    :param source: s3://bucket/prefix/; None: the dataset's own
    :param first: in the dataset's time zone
    :param last: inclusive
    :param max_batches: most batches that the plan may have
    :param serverless: the client leads to OpenSearch Serverless
    :raises DefinitionError: there is no source, or the days or the URL cannot be used
    :raises Refused: S3 does not allow it, or there are too many objects
    :raises TransientError: S3 or OpenSearch does not answer
    """
    url = source or dataset.intake.source
    if url is None:
        raise DefinitionError(
            f"Dataset {dataset.name!r} names no archive. Name one, s3://bucket/prefix/, or state it as intake.source."
        )
    ledger = Ledger(client, dataset.name, serverless=serverless)
    try:
        end_load(client, ledger, dataset, f"plan/{uuid4().hex[:8]}", this_process())
    except Refused as error:  # of another run's days, maybe far from these
        _log.warning("%s", error)
    created = _created(ledger, dataset, days_between(first, last))
    poorer = _poorer(client, ledger, created)
    now = {} if serverless else {name: one.mark if one else None for name, one in standings(client, [*created]).items()}
    return make_plan(
        s3, client, dataset, url, first, last, ledger, PlanLimits(batches=max_batches), poorer, now,
        partial(is_retired, client, dataset),
    )  # fmt: skip


def is_retired(client: OpenSearch, dataset: Dataset, index: str, uuid: str) -> bool:
    """Whether history carries a raw day that is gone: its rows came from the index of that UUID.

    :param index: name of the raw day
    """
    day = dataset.raw.names.date_in(index)
    return day is not None and uuid in carried(client, dataset, day).sources


def is_beyond_raw(client: OpenSearch, dataset: Dataset, day: date) -> bool:
    """Whether history carries documents of a day whose raw index is gone, or is another one by now.

    :raises TransientError: OpenSearch does not answer in full
    """
    rows = carried(client, dataset, day)
    if not rows.rows:
        return False
    raw = inspect_raw_day(client, dataset, day)
    return raw is None or bool(rows.sources - {raw.uuid})


def _created(ledger: Ledger, dataset: Dataset, days: Sequence[date]) -> dict[str, int]:
    """Of these days, those that the ledger knows -> documents that loads created in them."""
    names = {dataset.raw_index(day) for day in days}
    return {name: count for name, count in sorted(ledger.created_by_day().items()) if name in names}


def _poorer(client: OpenSearch, ledger: Ledger, created: Mapping[str, int]) -> list[str]:
    """Raw days that hold fewer documents than loads created in them: deleted since, or made anew.

    One that only has documents which were there before it was loaded must hold something at least.

    :raises TransientError: one cannot be counted right now
    """
    if not ledger.index.serverless:
        refresh(client, list(created))
    held = documents_in(client, list(created), serverless=ledger.index.serverless)
    return [name for name, count in created.items() if (held[name] or 0) < max(count, 1)]
