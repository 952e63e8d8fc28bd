"""What the wildcard expression of a dataset matches in a cluster, whatever a template or a person did to the indices.

An index that a template made hidden is treated like any other. An index whose metadata somebody blocked makes the
server refuse the whole request. It is left out and named, so that it does not stop everything for the other indices.
https://docs.opensearch.org/latest/api-reference/index-apis/get-index/ (``expand_wildcards``),
https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/index-settings/ (``index.blocks``)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

WILDCARDS = "open,closed,hidden"

STATE = "*.settings.index.uuid,*.settings.index.verified_before_close"
"""``filter_path`` for the fields that :attr:`Expanded.closed` needs."""

_BLOCKED = re.compile(r"index \[([^\[\]]+)\] blocked by: \[")


@dataclass(frozen=True)
class Expanded:
    """Indices that an expression matches.

    :param indices: name -> what the server answers about it
    :param blocked: name -> why the server answers nothing about it
    """

    indices: Mapping[str, Any]
    blocked: Mapping[str, str] = field(default_factory=dict)

    @property
    def closed(self) -> list[str]:
        """Names of the closed indices; the answer must contain :data:`STATE`."""
        return [
            name
            for name, body in self.indices.items()
            if body["settings"]["index"].get("verified_before_close") == "true"
        ]


def expand(client: OpenSearch, expression: str, kept: str) -> Expanded:
    """The indices that an expression matches.

    :param expression: an expression with a wildcard
    :param kept: the wanted part of the answer, as ``filter_path``
    """
    params = {"expand_wildcards": WILDCARDS, "filter_path": kept}
    return past_blocked(lambda names: client.indices.get(index=names, params=params), expression)


def past_blocked(ask: Callable[[str], Mapping[str, Any]], expression: str) -> Expanded:
    """An answer about the indices of an expression, without those whose metadata is blocked.

    :param ask: sends the request for an expression
    :param expression: names and wildcards of indices, joined by commas
    """
    from opensearchpy import AuthorizationException

    blocked: dict[str, str] = {}
    while True:
        try:
            return Expanded(ask(",".join([expression, *(f"-{name}" for name in blocked)])), blocked)
        except AuthorizationException as error:
            more = set(_BLOCKED.findall(str(error.info))) - blocked.keys()
            if "cluster_block_exception" not in str(error.error) or not more:
                raise
            blocked |= {name: is_blocked(name) for name in more}


def is_blocked(name: str) -> str:
    """The sentence for an index that the server does not show or does not allow to be read.

    :param name: name of the index
    """
    return (
        f"{name} cannot be read: somebody blocked it (index.blocks.read or index.blocks.metadata). Lift the block and "
        f"ask again."
    )
