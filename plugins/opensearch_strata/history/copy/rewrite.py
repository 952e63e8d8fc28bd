"""A month moved to a new index of the same name: other shards, another mapping, the index format of another release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from opensearch_strata.connections import decisive
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import days_between, last_of_month
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.copy.contents import layout_of, noted_versions, parts_of, require_same
from opensearch_strata.history.copy.reading import read_rows
from opensearch_strata.history.copy.replacement import OnStep, Replacement
from opensearch_strata.history.copy.row_tables import arrow
from opensearch_strata.history.copy.writing import write_table
from opensearch_strata.history.month.mapping import conflicts, grown_meta, month_mapping
from opensearch_strata.history.raw_day.hold import block_for, claim, release, renewed
from opensearch_strata.history.raw_day.inspection import field_types

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Outcome = Literal["rewritten", "put in place", "would be rewritten", "would be put in place"]


@dataclass(frozen=True)
class MonthIndex:
    """A month index.

    :param shards: primary shards
    :param created: version of OpenSearch whose index format it has, as the server numbers it
    """

    shards: int
    codec: str
    created: str

    @property
    def release(self) -> str:
        """The version as people write it. OpenSearch sets one bit in its numbers: 137257827 is 3.4.0."""
        number = int(self.created) ^ 0x08000000 if int(self.created) > 0x08000000 else int(self.created)
        return f"{number // 1_000_000}.{number // 10_000 % 100}.{number // 100 % 100}"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> MonthIndex:
        """What settings say.

        :param settings: of the index, as flat names
        """
        return cls(
            int(settings["index.number_of_shards"]),
            str(settings.get("index.codec", "default")),
            str(settings["index.version.created"]),
        )


@dataclass(frozen=True)
class RewrittenMonth:
    """What became of a month.

    :param outcome: ``put in place`` finishes what an earlier run began
    :param before: the old index; None where an earlier run has deleted it
    :param after: the new one; None in a dry run
    """

    index: str
    outcome: Outcome
    rows: int
    before: MonthIndex | None
    after: MonthIndex | None = None


def rewrite_month(
    client: OpenSearch,
    dataset: Dataset,
    month: date,
    *,
    apply: bool,
    new_mapping: bool = False,
    on_step: OnStep = lambda _: None,
) -> RewrittenMonth:
    """Move a month to a new index of its name, with the settings that the definition states now.

    Readers find its rows at any time. Nobody else writes rows to it meanwhile: the days of the month cannot be
    condensed. The old index is deleted when every row was read back from the new one and found the same, bit for bit.

    :param month: any day of it
    :param apply: do it; else only look
    :param new_mapping: take the definition's mapping instead of the month's own
    :param on_step: called with what is done next, in words
    :raises Refused: the month is not there, the rows do not fit the mapping, or another run has the month
    :raises TransientError: something did not answer in time
    """
    arrow()
    first = month.replace(day=1)
    task = Replacement(client, dataset, first, on_step)
    there, note = task.look()
    before = MonthIndex.of(there["settings"]) if there else None
    if note and note.stands:
        rows = decisive.count(client, task.beside)
        if not apply:
            return RewrittenMonth(task.index, "would be put in place", rows, before)
        task.settle()
        return RewrittenMonth(task.index, "put in place", rows, before, _now(client, task.index))
    if there is None:
        raise Refused(f"There is no {task.index}, so nothing can be rewritten. Import it from its copy instead.")
    mappings = there["mappings"]
    strata = mappings.get("_meta", {}).get("strata", {})
    layout_of(client, task.index)  # refuses what is not ours
    properties, meta = mappings["properties"], strata
    if new_mapping:
        properties, meta = _by_definition(dataset, task.index, properties, strata)
    rows = decisive.count(client, task.index)
    if not apply:
        return RewrittenMonth(task.index, "would be rewritten", rows, before)
    _require_no_job(client, dataset, first)
    _rewrite(client, dataset, task, properties, meta, there["settings"])
    return RewrittenMonth(task.index, "rewritten", rows, before, _now(client, task.index))


def _rewrite(
    client: OpenSearch,
    dataset: Dataset,
    task: Replacement,
    properties: Mapping[str, Any],
    meta: Mapping[str, Any],
    old: Mapping[str, Any],
) -> None:
    hold = claim(client, task.index)
    stands = False
    try:
        task.begin(properties, meta, old, blocked=not hold.lifts)
        block_for(client, task.index, hold)
        decisive.refresh(client, task.index)
        state = decisive.primaries(client, task.index)
        if state.uuid != old["index.uuid"]:
            raise TransientError(f"{task.index} was created anew meanwhile. Nothing was changed; run again.")
        copies = min(decisive.live_copies(client, task.index)[0])
        layouts = layout_of(client, task.index), layout_of(client, task.beside)
        for name, query in parts_of(client, task.index):
            hold = renewed(client, task.index, hold)
            task.keep()
            rows = read_rows(client, task.index, layouts[0], query)
            write_table(client, task.beside, layouts[0], rows)
            hold = renewed(client, task.index, hold)
            task.keep()
            decisive.refresh(client, task.beside)
            copied = read_rows(client, task.beside, layouts[1], query)
            require_same(layouts[0], rows, copied, task.index, task.beside, name)
        proven = _strata(client, task.index).get("verified", {})  # days may have been proven meanwhile
        strata = noted_versions(client, dataset, task.index, task.beside, {**meta, "verified": proven})
        task.stand(strata, state, copies)
        stands = True
    except BaseException:
        if not stands:
            task.give_up()
            release(client, task.index, hold)
        raise
    task.settle()


def _by_definition(
    dataset: Dataset, index: str, properties: Mapping[str, Any], strata: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Mapping and notes as the definition wants them, with what only older rows have.

    :raises Refused: the rows are of another definition
    """
    if found := conflicts(dict(strata), dataset):
        raise Refused(
            f"{index} was made by another definition of {dataset.name!r}: {'; '.join(found)}. Nothing was changed; "
            f"rewrite it with its own mapping."
        )
    there = dict(field_types(properties))
    types = {field: there.get(field, "keyword") for field in dataset.history.group_by}
    return _joined(properties, month_mapping(dataset, types)["properties"]), grown_meta(strata, dataset)


def _joined(properties: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of both, as wanted where both have one."""
    joined = dict(properties)
    for name, body in wanted.items():
        there = properties.get(name, {})
        both = "properties" in body and "properties" in there
        joined[name] = {**there, "properties": _joined(there["properties"], body["properties"])} if both else body
    return joined


def _require_no_job(client: OpenSearch, dataset: Dataset, first: date) -> None:
    """Make sure that no transform job writes to the month: it would create an index of that name."""
    from opensearchpy import NotFoundError, RequestError

    for day in days_between(first, last_of_month(first)):
        try:
            client.plugins.transforms.get(id=dataset.transform_id(day))
        except NotFoundError:
            continue
        except RequestError:  # no plugin
            return
        raise TransientError(
            f"{day} of {dataset.name!r} is being condensed by a transform job. Nothing was changed; run again later."
        )


def _strata(client: OpenSearch, index: str) -> dict[str, Any]:
    mapping = client.indices.get_mapping(index=index)[index]["mappings"]
    found: dict[str, Any] = mapping.get("_meta", {}).get("strata", {})
    return found


def _now(client: OpenSearch, index: str) -> MonthIndex:
    found = client.indices.get_settings(index=index, params={"flat_settings": "true"})
    return MonthIndex.of(found[index]["settings"])
