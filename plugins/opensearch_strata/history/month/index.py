"""The month index on the cluster: created before use and kept in step with the definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections.safe_settings import MONTH, made_safely, weaker
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.month.level_notes import forget_levels
from opensearch_strata.history.month.mapping import (
    conflicts,
    grown_meta,
    mapping_differences,
    month_body,
    month_mapping,
)
from opensearch_strata.history.month.noting import change_notes
from opensearch_strata.history.month.stand_in import require_none, stand_in_name
from opensearch_strata.history.raw_day.hold import hold_in, release
from opensearch_strata.history.raw_day.inspection import field_types

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


@dataclass(frozen=True)
class EnsuredMonth:
    """The result of :func:`ensure_month`.

    :param action: ``created``, ``updated`` or ``unchanged``
    :param uuid: UUID of the index; another index of the same name lacks the rows
    """

    index: str
    action: str
    uuid: str


def ensure_month(
    client: OpenSearch,
    dataset: Dataset,
    day: date,
    raw_types: Mapping[str, str] | None = None,
    *,
    redefine: bool = False,
) -> EnsuredMonth:
    """Create the month index of a day, or bring its mapping and settings up to date.

    Safe to call from several places at the same time. Makes only additive changes. The rows of the day are going to be
    written, so its levels are not noted as complete any more.

    :param raw_types: mapping types of the raw day, for the group fields; otherwise those that the dataset states
    :param redefine: accept a definition whose metrics have a different meaning; the caller condenses the days again
    :raises Refused: the index does not match the definition (the message lists every difference), or it has weaker
        settings that cannot be changed
    :raises TransientError: somebody deleted the index right after it was created, or is replacing it
    """
    index = dataset.month_index(day)
    found = _found(client, dataset, day)
    there = dict(field_types(found["mappings"].get("properties", {}))) if found else {}
    known = {**there, **dataset.raw.fields, **(raw_types or {})}
    group_types = {field: known.get(field, "keyword") for field in dataset.history.group_by}
    action = "unchanged"
    if found is None:
        action = "created" if create_month(client, index, month_body(dataset, group_types)) else "unchanged"
        found = _found(client, dataset, day)
        if found is None:
            raise TransientError(f"{index} was deleted right after it was created. Nothing was written; try again.")
    if _bring_up_to_date(client, dataset, index, found["mappings"], group_types, redefine):
        action = "updated"
    if missing := weaker(found["settings"], MONTH):
        mend_settings(client, index, missing)
        action = "updated"
    forget_levels(client, index, day, found["mappings"].get("_meta", {}).get("strata", {}))
    return EnsuredMonth(index, action, found["settings"]["index.uuid"])


def _found(client: OpenSearch, dataset: Dataset, day: date) -> dict[str, Any] | None:
    """What the server says of the month; None if there is none. What a killed run holds of it is let go.

    :raises Refused: an alias bears its name
    :raises TransientError: it is being replaced
    """
    index, stand_in = dataset.month_index(day), stand_in_name(dataset, day)
    params = {"flat_settings": "true", "ignore_unavailable": "true"}
    found: dict[str, Any] = client.indices.get(index=f"{index},{stand_in}", params=params)
    beside = found.pop(stand_in, None)
    require_none(stand_in, beside["mappings"].get("_meta", {}) if beside else None)
    if not found:
        return None
    if index not in found:
        raise Refused(f"{index} is an alias of {', '.join(found)}; rows are written to an index of that name only.")
    body: dict[str, Any] = found[index]
    hold = hold_in(body["mappings"].get("_meta", {}))
    if hold and not hold.over:
        raise TransientError(
            f"{index} is being rewritten or completed by an import. Nothing was written; try again when that is done."
        )
    if hold:
        release(client, index, hold)
    return body


def create_month(client: OpenSearch, index: str, body: Mapping[str, Any]) -> bool:
    """Create an index of rows with the settings that keep them safe. Returns False if somebody else created it first.

    :param index: its name
    :param body: settings and mappings
    :raises Refused: the server rejects the index
    """
    from opensearchpy import RequestError

    settings = {**body["settings"], **MONTH}
    try:
        made_safely(lambda safe: client.indices.create(index=index, body={**body, "settings": {**settings, **safe}}))
    except RequestError as error:
        if error.error == "resource_already_exists_exception":
            return False
        raise Refused(
            f"{index} could not be created. {explain(error)} If an index template matches this name, exclude the name "
            f"from its pattern, or choose another history.index."
        ) from None
    return True


def _bring_up_to_date(
    client: OpenSearch,
    dataset: Dataset,
    index: str,
    existing: Mapping[str, Any],
    group_types: dict[str, str],
    redefine: bool,
) -> bool:
    meta = existing.get("_meta", {}).get("strata")
    if meta is None:
        raise Refused(f"{index} was not created by Strata (no _meta.strata); move it away or rename history.index.")
    wanted = month_mapping(dataset, group_types)
    differences = mapping_differences(existing.get("properties", {}), wanted["properties"])
    found = [*conflicts(meta, dataset, redefine=redefine), *differences]
    if found:
        raise Refused(
            f"{index} was made by another definition of {dataset.name!r}, or shaped by an index template that "
            f"matches its name, so its rows cannot be mixed with new ones: {'; '.join(found)}. Nothing was written. "
            f"Undo the change; or, if only metrics changed, rebuild the days that are still raw (strata reaggregate); "
            f"or give history.index a new name."
        )
    grown = grown_meta(meta, dataset)
    stated = dict(field_types(existing.get("properties", {})))
    if meta == grown and dict(field_types(wanted["properties"])).keys() <= stated.keys():
        return False
    change_notes(client, index, lambda strata: grown_meta(strata, dataset), wanted["properties"])
    return True


def mend_settings(client: OpenSearch, index: str, missing: Mapping[str, str]) -> None:
    """Restore the settings that a month lacks because an earlier release made it or somebody changed it.

    :param index: name of the month
    :param missing: name -> value of each setting
    :raises Refused: the server does not change them
    """
    from opensearchpy import OpenSearchException

    try:
        made_safely(lambda safe: client.indices.put_settings(index=index, body={**safe, **missing}))
    except OpenSearchException as error:
        stated = ", ".join(f"{name}: {value}" for name, value in missing.items())
        raise Refused(
            f"{index} has weaker settings than safety requires, and they could not be changed. {explain(error)} "
            f"Nothing was written. Set these on it: {stated}."
        ) from None
