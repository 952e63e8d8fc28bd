"""Whether a cluster has room for new indices, checked before the first of them is created.

At its limit (``cluster.max_shards_per_node`` times data nodes) a cluster creates no more indices for anybody, so
producers could not write their next day either.
https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/cluster-settings/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearch_strata.archive.targets.disk import PATIENCE, cluster_settings, replicas_of
from opensearch_strata.archive.targets.raw_indices import template_settings
from opensearch_strata.connections.retrying import part_of, patiently
from opensearch_strata.errors import Refused
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_PER_NODE = "cluster.max_shards_per_node"
_PER_CLUSTER = "cluster.max_shards_per_cluster"
_UNLIMITED = -1
_NEXT_DAYS = 2  # indices for which room is left, as producers may create them in the meantime


class ShardRoom(NamedTuple):
    """Shards of a cluster, replicas included.

    :param open: shards that count towards the limit
    :param most: the limit
    :param nodes: number of data nodes
    """

    open: int
    most: int
    nodes: int


def shard_room(client: OpenSearch) -> ShardRoom | None:
    """The shards of the cluster and their limit.

    :returns: None if the cluster does not report them, for example because the role lacks the permission
    """
    from opensearchpy.exceptions import AuthorizationException, NotFoundError

    kept = ["active_shards", "initializing_shards", "unassigned_shards", "number_of_data_nodes"]
    try:
        *shards, nodes = patiently(lambda: _counts(client, kept), PATIENCE)
        return ShardRoom(sum(shards), most_shards(cluster_settings(client), nodes), nodes)
    except (AuthorizationException, NotFoundError):
        return None


def _shards(settings: Mapping[str, Any], nodes: int) -> int:
    return int(settings.get("index.number_of_shards", 1)) * (1 + replicas_of(settings, nodes))


def _counts(client: OpenSearch, names: Sequence[str]) -> list[int]:
    health = client.cluster.health(params={"filter_path": ",".join(names)})
    return [int(part_of(health, name)) for name in names]


def most_shards(settings: Mapping[str, Any], data_nodes: int) -> int:
    """The limit on shards.

    :param settings: flat settings of the cluster, defaults included
    """
    known = {**settings.get("defaults", {}), **settings.get("persistent", {}), **settings.get("transient", {})}
    by_nodes = int(known.get(_PER_NODE, 1000)) * data_nodes
    whole = int(known.get(_PER_CLUSTER, _UNLIMITED))
    return by_nodes if whole == _UNLIMITED else min(by_nodes, whole)


def require_shard_room(
    client: OpenSearch, missing: Sequence[str], archived: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> None:
    """Refuse to create indices that the cluster has no room for.

    :param missing: their names, which must match the same template
    :param archived: name -> flat settings of those that are created with settings of their own
    :raises Refused: the cluster has no room; the message gives the shards that exist and those that would be needed
    """
    from opensearchpy.exceptions import AuthorizationException

    if not missing or (room := shard_room(client)) is None:
        return
    try:
        settings = template_settings(client, missing[0])
    except AuthorizationException:
        settings = {}
    shards = [_shards(archived.get(name, settings), room.nodes) for name in missing]
    each = max(shards)
    if room.open + sum(shards) + each * _NEXT_DAYS > room.most:
        raise Refused(
            f"{counted(len(missing), 'raw day')} would have to be created, starting with {missing[0]}, with "
            f"{counted(each, 'shard')} each. The cluster has {room.open:,} of the {room.most:,} shards that it allows "
            f"({_PER_NODE}), and at its limit producers could not create an index either. Nothing was created. Use a "
            f"shorter range, reduce the shards and replicas in the index template of raw days, or add data nodes."
        )
