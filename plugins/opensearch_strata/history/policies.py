"""Policies of Index State Management that act on a dataset's indices: what else may delete them, and when.

API: https://docs.opensearch.org/latest/im-plugin/ism/api/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from opensearch_strata.dataset import Dataset

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_SAMPLE = date(2024, 2, 29)  # any day: a pattern that names a year is not what a daily stream is managed by
_REMOVING = ("delete", "close", "shrink", "convert_index_to_remote")
"""Actions after which an index is not there, or not readable, under its name."""


def policies_over(client: OpenSearch, dataset: Dataset) -> list[str]:
    """A sentence for each policy that manages raw days or history months, or will take those that are made next.

    Months that Strata makes opt out (``auto_manage: false``), so a template that matches their name is no danger to
    them. Changes nothing; empty where the cluster lacks the plugin.
    """
    from opensearchpy import AuthorizationException, NotFoundError, RequestError

    try:
        managed = _managed(client, dataset)
        policies = client.transport.perform_request("GET", "/_plugins/_ism/policies", params={"size": "1000"})
    except (NotFoundError, RequestError):  # no plugin, or no policy was ever made
        return []
    except AuthorizationException:
        return [
            f"Whether a policy of Index State Management acts on the indices of {dataset.name!r} cannot be seen: the "
            f"user lacks indices:admin/opensearch/ism/managedindex and cluster:admin/opendistro/ism/policy/search."
        ]
    return [*_acting(dataset, managed), *_waiting(dataset, policies.get("policies", []))]


def _managed(client: OpenSearch, dataset: Dataset) -> dict[str, str]:
    """Index -> policy, of the dataset's indices that one manages."""
    found: dict[str, str] = {}
    for names in (dataset.raw.names, dataset.history.names):
        explained = client.plugins.index_management.explain_index(index=names.expression)
        for index, body in explained.items():
            if isinstance(body, Mapping) and body.get("policy_id") and names.date_in(index):
                found[index] = str(body["policy_id"])
    return found


def _acting(dataset: Dataset, managed: Mapping[str, str]) -> Iterator[str]:
    for policy in sorted(set(managed.values())):
        months = sorted(i for i, p in managed.items() if p == policy and dataset.history.names.date_in(i))
        days = sorted(i for i, p in managed.items() if p == policy and dataset.raw.names.date_in(i))
        if months:
            yield (
                f"The policy {policy!r} manages {_first(months)}, the only copy of days whose raw index is gone. Take "
                f"it off them (POST _plugins/_ism/remove/{dataset.history.names.expression}) unless it only moves data."
            )
        if days:
            yield (
                f"The policy {policy!r} manages {_first(days)}. If it deletes, closes or shrinks them, days may go "
                f"before they are proven; let Strata delete them, and the policy do the rest."
            )


def _waiting(dataset: Dataset, policies: list[Mapping[str, Any]]) -> Iterator[str]:
    """Policies whose template takes raw days that producers will make, and removes them."""
    sample = dataset.raw_index(_SAMPLE)
    for policy in (found["policy"] for found in policies):
        patterns = [p for template in policy.get("ism_template") or [] for p in template.get("index_patterns", [])]
        matching = [pattern for pattern in patterns if fnmatchcase(sample, pattern)]
        if matching and (removing := _removing(policy)):
            yield (
                f"The policy {policy['policy_id']!r} takes new raw days by its pattern {matching[0]!r} and will "
                f"{' and '.join(removing)} them, proven or not. Leave that action out, Strata deletes behind its proof."
            )


def _removing(policy: Mapping[str, Any]) -> list[str]:
    actions = {name for state in policy.get("states", []) for action in state.get("actions", []) for name in action}
    return [name for name in _REMOVING if name in actions]


def _first(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
