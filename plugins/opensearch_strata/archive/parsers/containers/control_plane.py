r"""The control plane of EKS, group ``/aws/eks/<cluster>/cluster``: audit, authenticator, and the components' own logs.

    audit           {"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"…","verb":"list",…}
    authenticator   time="2022-05-26T18:55:30Z" level=info msg="access granted" arn="arn:aws:iam::…" username=admin
    klog            I0520 05:24:43.888087      11 tagging_controller.go:152] Skip putting node …

Audit: https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/. klog: ``formatHeader`` of
https://github.com/kubernetes/klog, whose times name no year. Authenticator: the text format of logrus.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.parsed import Message, NearParser, Parsed
from opensearch_strata.archive.parsers.plain import json_object, plain_event
from opensearch_strata.archive.parsers.system.moments import Moments
from opensearch_strata.archive.timestamps import read_iso

_KLOG = re.compile(
    r"([IWEF])(\d{4} \d\d:\d\d):(\d\d)\.(\d{6}) {1,9}(\d{1,10}) ([^\s:\]]{1,128}):(\d{1,7})\] ?", re.ASCII
)
_SEVERITIES = {"I": "INFO", "W": "WARNING", "E": "ERROR", "F": "FATAL"}
_PAIR = re.compile(r'([A-Za-z][\w.-]{0,63})=(?:"([^"\\]*(?:\\.[^"\\]*){0,999})"|([^\s"]*))(?: |$)')
_MOST_PAIRS = 60
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
# Whole objects of Kubernetes, in which each cluster has other fields.
_OBJECTS = ("requestObject", "responseObject")


def eks_control_plane(zone: ZoneInfo) -> NearParser:
    """Fields of an audit event; ``time``, ``level``, ``msg``, ``arn``, … of the authenticator; ``severity``, ``time``,
    ``threadid``, ``file``, ``line``, ``msg`` of klog.

    ``requestObject`` and ``responseObject`` of an audit event are JSON as text: as fields, they would use up what an
    index can hold. A message that is nothing of this stays as it is.

    :param zone: zone of klog's times
    """
    klog = klog_lines(zone)

    def read(message: Message, near: int | None) -> Parsed:
        if isinstance(message, str):
            if message.startswith("time="):
                return _logrus(message) or plain_event(message)
            if not message.startswith("{"):
                return klog(message, near) or plain_event(message)
            fields = json_object(message)
            if fields is None:
                return plain_event(message)
        else:
            fields = dict(message)
        return audit_event(fields) if is_audit(fields) else Parsed(fields, None)

    return NearParser(read)


def is_audit(fields: dict[str, Any]) -> bool:
    """Whether a JSON object is an audit event of Kubernetes.

    :param fields: of the object
    """
    version = fields.get("apiVersion")
    return fields.get("kind") == "Event" and isinstance(version, str) and version.startswith("audit.k8s.io/")


def audit_event(fields: dict[str, Any]) -> Parsed:
    """The fields of a document, and when the event happened.

    :param fields: of an audit event; changed in place
    """
    for name in _OBJECTS:
        if isinstance(fields.get(name), dict | list):
            fields[name] = json.dumps(fields[name], ensure_ascii=False, separators=(",", ":"))
    stated = fields.get("stageTimestamp", fields.get("requestReceivedTimestamp"))
    return Parsed(fields, read_iso(stated) if isinstance(stated, str) else None)


def klog_lines(zone: ZoneInfo) -> Callable[[str, int | None], Parsed | None]:
    """Return a function that reads a text and a time at which it existed; it returns None if it is not a line of klog.

    :param zone: zone of the times
    """
    moments = Moments("%m%d %H:%M", zone)

    def find(text: str, near: int | None) -> Parsed | None:
        head = _KLOG.match(text)
        if head is None:
            return None
        severity, minute, second, fraction, thread, file, line = head.groups()
        moment = moments.moment(minute, int(second), int(fraction[:3]), near) if int(second) < 60 else None
        if moment is None and near is not None:
            return None
        shown, time = moment or (f"{minute}:{second}.{fraction}", None)
        fields = {
            "severity": _SEVERITIES[severity], "time": shown, "threadid": int(thread), "file": file, "line": int(line),
            "msg": text[head.end() :].removesuffix("\n"),
        }  # fmt: skip
        return Parsed(fields, time)

    return find


def _logrus(text: str) -> Parsed | None:
    """Pairs of names and values; None if anything else is among them."""
    text = text.removesuffix("\n")
    fields: dict[str, Any] = {}
    at = 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None or len(fields) >= _MOST_PAIRS:
            return None
        name, quoted, bare = pair.groups()
        fields[name] = bare if quoted is None else _ESCAPED.sub(_unescaped, quoted) if "\\" in quoted else quoted
        at = pair.end()
    time = read_iso(str(fields.get("time")))
    return None if time is None else Parsed(fields, time)


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[1])
