"""What the wildcard expression of a dataset finds in a cluster, whatever template or person touched the indices.

An index that a template made hidden is one like all others. One whose metadata somebody blocked makes the server refuse
the whole request; it is left out and named, so that it does not keep everything from the indices beside it.
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
"""``filter_path`` of what :attr:`Expanded.closed` needs."""

_BLOCKED = re.compile(r"index \[([^\[\]]+)\] blocked by: \[")


@dataclass(frozen=True)
class Expanded:
    """Indices that an expression finds.

    :param indices: name -> what the server says of it
    :param blocked: name -> why the server says nothing of it
    """

    indices: Mapping[str, Any]
    blocked: Mapping[str, str] = field(default_factory=dict)

    @property
    def closed(self) -> list[str]:
        """Names of those that are closed; of an answer with :data:`STATE`."""
        return [
            name
            for name, body in self.indices.items()
            if body["settings"]["index"].get("verified_before_close") == "true"
        ]


def expand(client: OpenSearch, expression: str, kept: str) -> Expanded:
    """The indices that an expression finds.

    :param expression: with a wildcard
    :param kept: what of the answer is wanted, as ``filter_path``
    """
    params = {"expand_wildcards": WILDCARDS, "filter_path": kept}
    return past_blocked(lambda names: client.indices.get(index=names, params=params), expression)


def past_blocked(ask: Callable[[str], Mapping[str, Any]], expression: str) -> Expanded:
    """An answer about the indices of an expression, those left out whose metadata are blocked.

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
    """Sentence for an index that the server does not show or let read.

    :param name: of the index
    """
    return (
        f"{name} cannot be read: somebody blocked it (index.blocks.read or index.blocks.metadata). Lift the block and "
        f"ask again."
    )
