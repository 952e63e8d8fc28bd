"""How much more the data nodes can hold, and how many copies they keep of a raw day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.targets.raw_indices import template_settings
from opensearch_strata.connections.retrying import part_of, patiently

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.definition.dataset import Dataset

PATIENCE = 20.0
"""Seconds for which requests to the cluster are retried; nothing is at stake in the meantime."""

_SETTINGS = "cluster.routing.allocation.disk"
_UNITS = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40, "pb": 1 << 50}
_BYTES = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgtp]?b)")


def free_below_watermark(client: OpenSearch) -> int | None:
    """Bytes that fit on the data nodes below the high disk watermark, above which the cluster moves shards away.

    :returns: None if the cluster does not report it: Serverless has no nodes, and a role may lack the permission
    """
    from opensearchpy.exceptions import AuthorizationException, NotFoundError

    try:
        nodes = patiently(lambda: part_of(_disks(client), "nodes"), PATIENCE)
        settings = cluster_settings(client)
    except (AuthorizationException, NotFoundError):
        return None
    watermark = _watermark(settings)
    disks = [node["fs"]["total"] for node in nodes.values() if "data" in node["roles"]]
    free = [int(disk["available_in_bytes"]) - kept_free(watermark, disk["total_in_bytes"]) for disk in disks]
    return sum(max(0, room) for room in free)


def cluster_settings(client: OpenSearch) -> Mapping[str, Any]:
    """Flat settings of the cluster, defaults included, grouped by where they are set."""
    params = {"include_defaults": "true", "flat_settings": "true"}
    answer: Mapping[str, Any] = patiently(lambda: client.cluster.get_settings(params=params), PATIENCE)
    return answer


def kept_free(watermark: str, total: int) -> int:
    """Bytes of a disk that a watermark keeps free.

    :param watermark: the share that may be used (90%, 0.9), or the amount that stays free (10gb)
    :param total: bytes of the disk
    """
    if match := _BYTES.fullmatch(watermark.lower()):
        return int(float(match["number"]) * _UNITS[match["unit"]])
    share = float(watermark.rstrip("%")) / (100 if watermark.endswith("%") else 1)
    return round(total * (1 - share))


def copies(client: OpenSearch, dataset: Dataset, raw_index: str) -> int:
    """How many copies of a raw day there will be: the primary and its replicas.

    The number of replicas is that of existing raw days or, if there are none, that of the index template.

    :param raw_index: name of a raw day to be created, which determines the template
    """
    params = {"filter_path": "number_of_data_nodes"}
    nodes = int(patiently(lambda: part_of(client.cluster.health(params=params), "number_of_data_nodes"), PATIENCE))
    names = dataset.raw.names
    settings_of = partial(client.indices.get_settings, index=names.expression)
    params = {"flat_settings": "true", "expand_wildcards": "all"}
    found = patiently(lambda: {n: part_of(one, "settings") for n, one in settings_of(params=params).items()}, PATIENCE)
    days = [settings for name, settings in found.items() if names.date_in(name)]
    settings = days or [template_settings(client, raw_index)]
    return 1 + min(max(0, nodes - 1), max(replicas_of(one, nodes) for one in settings))


def replicas_of(settings: Mapping[str, Any], nodes: int) -> int:
    """Replicas of an index; if they expand with the nodes (``0-1``, ``0-all``), as many as the nodes allow.

    :param settings: flat settings of the index
    :param nodes: number of data nodes
    """
    expand = str(settings.get("index.auto_expand_replicas", "false"))
    if expand != "false":
        most = expand.partition("-")[2]
        others = max(0, nodes - 1)
        return others if most == "all" else min(others, int(most))
    return int(settings.get("index.number_of_replicas", 1))


def _disks(client: OpenSearch) -> Any:
    return client.nodes.stats(metric="fs", params={"filter_path": "nodes.*.roles,nodes.*.fs.total"})


def _watermark(answer: Mapping[str, Any]) -> str:
    """The high watermark; 100% if the cluster has disk thresholds disabled and so may fill its disks."""
    known = {**answer.get("defaults", {}), **answer.get("persistent", {}), **answer.get("transient", {})}
    if str(known.get(f"{_SETTINGS}.threshold_enabled", "true")) == "false":
        return "100%"
    return str(known.get(f"{_SETTINGS}.watermark.high", "90%"))
