"""Index State Management policies that act on a dataset's indices: what else may delete them, and when.

API: https://docs.opensearch.org/latest/im-plugin/ism/api/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.dataset import Dataset

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_SAMPLE = date(2024, 2, 29)  # any day will do, because daily streams are not managed by patterns that name a year
_REMOVING = ("delete", "close", "shrink", "convert_index_to_remote")
"""Actions after which an index does not exist under its name, or cannot be read."""


@dataclass(frozen=True)
class Policies:
    """What policies may do to a dataset.

    :param dangers: a sentence for each policy that removes its indices, or will remove those that are created next
    :param unseen: why this is unknown; empty if it is known
    """

    dangers: list[str] = field(default_factory=list)
    unseen: str = ""


def policies_over(client: OpenSearch, dataset: Dataset) -> Policies:
    """Policies that remove raw days or history months; none if the cluster lacks the plugin. Changes nothing.

    Months that Strata creates opt out (``auto_manage: false``), so a template that matches their name does not endanger
    them.
    """
    from opensearchpy import AuthorizationException, NotFoundError, RequestError

    try:
        managed = _managed(client, dataset)
        listed = client.transport.perform_request("GET", "/_plugins/_ism/policies", params={"size": "1000"})
    except (NotFoundError, RequestError):  # there is no plugin, or no policy was ever created
        return Policies()
    except AuthorizationException:
        return Policies(
            unseen=f"Whether an Index State Management policy removes indices of {dataset.name!r} is not known: the "
            f"user may not ask (cluster:admin/opendistro/ism/policy/search, "
            f"indices:admin/opensearch/ism/managedindex)."
        )
    policies = {found["_id"]: found["policy"] for found in listed.get("policies", [])}
    return Policies([*_acting(dataset, managed, policies), *_waiting(dataset, policies)])


def _managed(client: OpenSearch, dataset: Dataset) -> dict[str, str]:
    """Index -> policy, for those of the dataset's indices that a policy manages."""
    found: dict[str, str] = {}
    for names in (dataset.raw.names, dataset.history.names):
        explained = client.plugins.index_management.explain_index(index=names.expression)
        for index, body in explained.items():
            if isinstance(body, Mapping) and body.get("policy_id") and names.date_in(index):
                found[index] = str(body["policy_id"])
    return found


def _acting(dataset: Dataset, managed: Mapping[str, str], policies: Mapping[str, Any]) -> Iterator[str]:
    for policy in sorted(set(managed.values())):
        actions = _removing(policies[policy]) if policy in policies else ["perhaps delete"]  # the list lacks it
        if not actions:
            continue
        months = sorted(i for i, p in managed.items() if p == policy and dataset.history.names.date_in(i))
        days = sorted(i for i, p in managed.items() if p == policy and dataset.raw.names.date_in(i))
        will = f"will {' and '.join(actions)}"
        if months:
            yield (
                f"The policy {policy!r} {will} {_first(months)}, the only copy of days whose raw index is gone. "
                f"Remove the policy from them: POST _plugins/_ism/remove/{dataset.history.names.expression}."
            )
        if days:
            yield (
                f"The policy {policy!r} {will} {_first(days)}, proven or not. Remove that action from the policy: "
                f"Strata deletes raw days once they are proven."
            )


def _waiting(dataset: Dataset, policies: Mapping[str, Any]) -> Iterator[str]:
    """Policies whose template matches raw days that producers will create, and that remove them."""
    sample = dataset.raw_index(_SAMPLE)
    for name, policy in sorted(policies.items()):
        patterns = [p for template in policy.get("ism_template") or [] for p in template.get("index_patterns", [])]
        matching = [pattern for pattern in patterns if fnmatchcase(sample, pattern)]
        if matching and (actions := _removing(policy)):
            yield (
                f"The policy {name!r} takes new raw days by its pattern {matching[0]!r} and will "
                f"{' and '.join(actions)} them, proven or not. Remove that action from the policy: Strata deletes raw "
                f"days once they are proven."
            )


def _removing(policy: Mapping[str, Any]) -> list[str]:
    actions = {name for state in policy.get("states", []) for action in state.get("actions", []) for name in action}
    return [name for name in _REMOVING if name in actions]


def _first(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
