"""Writes the template for producers, unless it would not count or would undo what somebody else set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.targets.templates.day_template import (
    OURS,
    DayForm,
    day_names,
    day_template,
    template_name,
)
from opensearch_strata.archive.targets.templates.other_templates import Found, outranking, replaced_by
from opensearch_strata.archive.targets.templates.template_parts import digest_of, lost, named, whole_of
from opensearch_strata.connections.retrying import part_of
from opensearch_strata.errors import Refused
from opensearch_strata.errors.judging import explain

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset

_COMPOSABLE, _LEGACY = "/_index_template", "/_template"


@dataclass(frozen=True)
class _Objection:
    """Why the template is not written.

    :param replaced: the template that a person has to name to have it written nevertheless; None if that is no cure
    """

    sentence: str
    replaced: str | None = None


def objections(
    client: OpenSearch, dataset: Dataset, form: DayForm, day: date, replace: Collection[str] = ()
) -> list[str]:
    """Ask the server whether it would take the template, and say why it would not be written. Changes nothing.

    :param day: the next one whose raw index will be created; sentences name the next days that they concern
    :param replace: names of templates that may be undone
    :returns: one sentence for each reason
    :raises Refused: the server rejects the template
    """
    from opensearchpy import RequestError

    name, body = template_name(dataset), day_template(dataset, form)
    found = _objections(client, dataset, body, day, replace)
    if all(one.replaced for one in found):  # the server itself objects to two of the same priority
        try:
            client.transport.perform_request("POST", f"{_COMPOSABLE}/_simulate/{name}", body=body)
        except RequestError as error:
            raise Refused(f"The cluster would not take the template {name}. {explain(error)}") from error
    return [one.sentence for one in found]


def put_day_template(
    client: OpenSearch, dataset: Dataset, form: DayForm, day: date, replace: Collection[str] = ()
) -> None:
    """Write the template, if it will be the one that counts and undoes nothing that may not be undone.

    :param day: the next one whose raw index will be created; sentences name the next days that they concern
    :param replace: names of templates that may be undone
    :raises Refused: another template has that name, counts for raw days, or would no longer count for them; somebody
        changed ours; or the server rejects it
    """
    from opensearchpy import RequestError

    name, body = template_name(dataset), day_template(dataset, form)
    if found := _objections(client, dataset, body, day, replace):
        raise Refused(" ".join(one.sentence for one in found))
    try:
        client.transport.perform_request("PUT", f"{_COMPOSABLE}/{name}", body=body)
    except RequestError as error:
        raise Refused(
            f"The cluster does not take the template {name}. {explain(error)} Nothing was changed."
        ) from error


def _objections(
    client: OpenSearch, dataset: Dataset, new: Mapping[str, Any], day: date, replace: Collection[str]
) -> list[_Objection]:
    name, names = template_name(dataset), day_names(dataset, day)
    composable, legacy = _composable(client), _legacy(client)
    ours = next((one for one in composable if one.name == name), None)
    others = [one for one in composable if one.name != name]
    found = [_Objection(sentence) for sentence in outranking(others, new["priority"], names)]
    found += [_Objection(one.sentence, one.found.name) for one in replaced_by(new, name, composable, legacy, names)]
    if ours and (objection := _changed(ours, new)):
        found.append(objection)
    return [one for one in found if one.replaced is None or one.replaced not in replace]


def _changed(ours: Found, new: Mapping[str, Any]) -> _Objection | None:
    """What somebody did to the template of that name, if writing it again would undo it."""
    meta = ours.body.get("_meta") or {}
    if meta.get("managed_by") != OURS:
        return _Objection(f"The cluster has a template {ours.name} that Strata did not write. It was kept; rename it.")
    if meta.get("digest") == digest_of(ours.body):
        return None
    has, will_have = whole_of(ours.body), whole_of(new)
    undone = [*lost(has, will_have), *(f"no {part}" for part in will_have if part not in has)]
    if not undone:
        return None
    return _Objection(
        f"The template {ours.name} was changed since Strata wrote it: it has {named(undone)}. It was kept. State "
        f"that in the definition or in the options, or give it up with --replace {ours.name}.",
        ours.name,
    )


def _composable(client: OpenSearch) -> list[Found]:
    answer = client.transport.perform_request("GET", _COMPOSABLE)
    return [Found(part_of(one, "name"), part_of(one, "index_template")) for one in answer.get("index_templates", [])]


def _legacy(client: OpenSearch) -> list[Found]:
    from opensearchpy import NotFoundError

    try:
        answer = client.transport.perform_request("GET", _LEGACY)
    except NotFoundError:  # a server without them
        return []
    return [Found(name, body, legacy=True) for name, body in answer.items()]
