"""Whether a cluster takes so many more indices, asked before the first of them is made.

At its limit (``cluster.max_shards_per_node`` times data nodes) a cluster makes no index of anybody any more, so that
producers cannot write their next day either.
https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/cluster-settings/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearch_strata.archive.targets.disk import PATIENCE, cluster_settings, replicas_of, template_settings
from opensearch_strata.connections.retrying import part_of, patiently
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_PER_NODE = "cluster.max_shards_per_node"
_PER_CLUSTER = "cluster.max_shards_per_cluster"
_UNLIMITED = -1
_NEXT_DAYS = 2  # room that stays for those whom producers make meanwhile


class ShardRoom(NamedTuple):
    """Shards of a cluster, replicas included.

    :param open: that count
    :param most: that it takes
    :param nodes: that hold data
    """

    open: int
    most: int
    nodes: int


def shard_room(client: OpenSearch) -> ShardRoom | None:
    """What there is; None where the cluster does not tell: a role may be kept from asking."""
    from opensearchpy.exceptions import AuthorizationException, NotFoundError

    kept = ["active_shards", "initializing_shards", "unassigned_shards", "number_of_data_nodes"]
    try:
        *shards, nodes = patiently(lambda: _counts(client, kept), PATIENCE)
        return ShardRoom(sum(shards), most_shards(cluster_settings(client), nodes), nodes)
    except (AuthorizationException, NotFoundError):
        return None


def _counts(client: OpenSearch, names: Sequence[str]) -> list[int]:
    health = client.cluster.health(params={"filter_path": ",".join(names)})
    return [int(part_of(health, name)) for name in names]


def most_shards(settings: Mapping[str, Any], data_nodes: int) -> int:
    """The limit.

    :param settings: of the cluster, flat, with the defaults
    """
    known = {**settings.get("defaults", {}), **settings.get("persistent", {}), **settings.get("transient", {})}
    by_nodes = int(known.get(_PER_NODE, 1000)) * data_nodes
    whole = int(known.get(_PER_CLUSTER, _UNLIMITED))
    return by_nodes if whole == _UNLIMITED else min(by_nodes, whole)


def require_shard_room(client: OpenSearch, missing: Sequence[str]) -> None:
    """Refuse to make indices that a cluster has no room for.

    :param missing: their names, all of one template
    :raises Refused: with what there is and what it would take
    """
    from opensearchpy.exceptions import AuthorizationException

    if not missing or (room := shard_room(client)) is None:
        return
    try:
        settings = template_settings(client, missing[0])
    except AuthorizationException:
        settings = {}
    each = int(settings.get("index.number_of_shards", 1)) * (1 + replicas_of(settings, room.nodes))
    if room.open + each * (len(missing) + _NEXT_DAYS) > room.most:
        raise Refused(
            f"{len(missing):,} raw days would have to be made, from {missing[0]} on, with {each} shards each. "
            f"The cluster has {room.open:,} of the {room.most:,} shards that it takes ({_PER_NODE}), and at its limit "
            f"producers could make no index either. Nothing was made. Take a shorter range, let the index template of "
            f"raw days ask for fewer shards and replicas, or add data nodes."
        )
