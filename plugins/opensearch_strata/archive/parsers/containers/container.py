r"""Lines of containers, as the container runtimes write them and as collectors wrap them.

    CRI            2016-10-06T00:17:09.669794202Z stdout F message    (P: the line continues in the next one)
    Docker         {"log":"message\n","stream":"stdout","time":"2016-10-06T00:17:09.669794202Z"}
    Fluent Bit     {"log":"message","stream":"stdout","kubernetes":{"pod_name":"web-1","labels":{"app":"web"}}}
    FireLens       {"log":"message","source":"stdout","container_name":"web","ecs_cluster":"shop","ecs_task_arn":"…"}
    performance    {"Type":"Pod","Timestamp":"1587511853020","pod_cpu_utilization":1.2,"kubernetes":{…}}

CRI: https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md. Docker: its json-file
driver. FireLens: Docker's fluentd driver, which adds ``partial_id`` and so on to the parts of a line beyond 16 KiB.
Performance: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-reference-performance-entries-EKS.html
"""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, number_or_text
from opensearch_strata.archive.parsers.plain import json_object, plain_event
from opensearch_strata.archive.timestamps import read_iso
from opensearch_strata.definition.notation.time_formats import read_number

_CRI = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP](?::[^\s:]{1,16}){0,4})(?: |$)"
)
_BOOLEANS = {"true": True, "false": False}
_FLAGS = ("partial_message", "partial_last")
_SECONDS_END = 10**11  # a larger number is in milliseconds


def container(_: ZoneInfo) -> Parser:
    """Fields ``time``, ``stream``, ``logtag`` (``F``, or ``P`` of a part), ``log`` of a line; else the record's own.

    A ``log`` that is a JSON object is opened into ``log_processed``, as Fluent Bit of Container Insights does it.
    Labels and annotations have ``_`` for dots. Parts of a line stay events of their own, since each has its own id. A
    message that is nothing of this stays as it is.
    """

    def parse(message: Message) -> Parsed:
        if isinstance(message, str):
            if line := cri_line(message):
                _open(line.fields)
                return line
            fields = json_object(message)
            if fields is None:
                return plain_event(message)
        else:
            fields = dict(message)
        collected(fields)
        _open(fields)
        return Parsed(fields, _when(fields))

    return parse


def cri_line(text: str) -> Parsed | None:
    """Read a line of a CRI runtime; None: it is not one.

    :param text: the message
    """
    head = _CRI.match(text)
    time = read_iso(head[1]) if head else None
    if head is None or time is None:
        return None
    log = text[head.end() :].removesuffix("\n")
    return Parsed({"time": head[1], "stream": head[2], "logtag": head[3], "log": log}, time)


def is_collected(fields: dict[str, Any]) -> bool:
    """Whether a record is certainly from a container runtime or a collector.

    :param fields: of a JSON object
    """
    if "log" in fields:
        return "stream" in fields or "container_name" in fields or "kubernetes" in fields
    return isinstance(fields.get("kubernetes"), dict)


def collected(fields: dict[str, Any]) -> None:
    """Change a record in place: types, and names in which dots would make objects.

    :param fields: of a JSON object
    """
    log = fields.get("log")
    if isinstance(log, str):
        if line := cri_line(log):  # a collector that takes CRI for Docker
            fields |= line.fields
        elif log.endswith("\n"):
            fields["log"] = log[:-1]
    if "partial_id" in fields or "partial_message" in fields:
        _type_part(fields)
    if isinstance(kubernetes := fields.get("kubernetes"), dict):
        for name in ("labels", "annotations"):
            if isinstance(named := kubernetes.get(name), dict):
                kubernetes[name] = _without_dots(named)
    if isinstance(stated := fields.get("Timestamp"), str):
        fields["Timestamp"] = number_or_text(stated)


def _open(fields: dict[str, Any]) -> None:
    log = fields.get("log")
    if isinstance(log, str) and "log_processed" not in fields and log.startswith("{"):
        opened = json_object(log)
        if opened is not None:
            fields["log_processed"] = opened


def _type_part(fields: dict[str, Any]) -> None:
    for name in _FLAGS:
        if isinstance(value := fields.get(name), str):
            fields[name] = _BOOLEANS.get(value, value)
    if isinstance(value := fields.get("partial_ordinal"), str):
        fields["partial_ordinal"] = number_or_text(value)


def _without_dots(named: dict[str, Any]) -> dict[str, Any]:
    """Labels such as ``app`` and ``app.kubernetes.io/name`` cannot be fields of one document as they are."""
    found: dict[str, Any] = {}
    for name, value in named.items():
        short = name.replace(".", "_")
        found[name if short in found or (short != name and short in named) else short] = value
    return found


def _when(fields: dict[str, Any]) -> int | None:
    """The time of a record: Docker's, Fluent Bit's (``date``), or that of embedded metrics and performance logs."""
    time = fields.get("time", fields.get("date")) if "log" in fields else None  # else an application's own
    if isinstance(time, str):
        return read_iso(time)
    if isinstance(time, int | float):
        return read_number(time, 3 if time < _SECONDS_END else 0)
    if isinstance(time := fields.get("Timestamp"), int):
        return time
    metrics = fields.get("_aws")
    time = metrics.get("Timestamp") if isinstance(metrics, dict) else None
    return time if isinstance(time, int) else None
