"""Which delivered log a message belongs to, by its looks alone: for objects whose keys do not say it, as when a stream
or a copy gave them other names. Looks at the first characters, or at a few names of fields; only what is certain
counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.delivered.cloudfront import cloudfront
from opensearch_strata.archive.parsers.delivered.cloudtrail import cloudtrail
from opensearch_strata.archive.parsers.delivered.load_balancers import alb, alb_connection, clb, nlb
from opensearch_strata.archive.parsers.delivered.ocsf import ocsf
from opensearch_strata.archive.parsers.delivered.route53_resolver import route53_resolver
from opensearch_strata.archive.parsers.delivered.s3_access import s3_access
from opensearch_strata.archive.parsers.delivered.vpc_flow import vpc_flow
from opensearch_strata.archive.parsers.delivered.waf import waf
from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable

_Maker = Callable[[ZoneInfo], Parser]

_DAY = r"20[0-9]{2}-[01][0-9]-[0-3][0-9]"
_SECOND = r"[0-2][0-9]:[0-5][0-9]:[0-6][0-9]"
_MOMENT = rf"{_DAY}T{_SECOND}\.[0-9]{{6}}Z"
_IP = r"[0-9a-fA-F.:\[\]]{3,48}"
_ALB = re.compile(rf"(?:https?|h2|grpcs|wss?) {_MOMENT} app/")
_NLB = re.compile(rf"tls [0-9]\.[0-9] {_DAY}T{_SECOND} net/")
_ALB_CONNECTION = re.compile(rf"{_MOMENT} [0-9a-fA-F.:]{{3,45}} [0-9]{{1,5}} [0-9]{{1,5}} ")
_CLB = re.compile(rf"{_MOMENT} [a-zA-Z0-9-]{{1,32}} {_IP}:[0-9]{{1,5}} (?:-|{_IP}) -?[0-9]")
_CLOUDFRONT = re.compile(rf"{_DAY}\t{_SECOND}\t[A-Z]{{3}}[0-9]")
_S3_ACCESS = re.compile(rf"[0-9a-f]{{64}} [a-z0-9.-]{{3,63}} \[[0-3][0-9]/[A-Z][a-z]{{2}}/20[0-9]{{2}}:{_SECOND} ")
_FLOW_HEAD = re.compile(r"[a-z-]{3,40}(?: [a-z-]{3,40}){2,199}")
_FLOW_NAMES = ("srcaddr", "interface-id", "tgw-id")
_FLOW = re.compile(r"2 [0-9]{12} eni-[0-9a-f]{8,17} ")
_CLOUDFRONT_HEADS = ("#Version: 1.0", "#Fields: ")
_FLOW_FIRST = frozenset("abdefilprstv")  # the first letters of all fields of flow logs
_LONGEST = 2000  # characters that are looked at

_NAMES: tuple[tuple[str, frozenset[str], _Maker], ...] = (
    ("eventSource", frozenset({"eventVersion", "eventTime", "eventID", "awsRegion"}), cloudtrail),
    ("insightDetails", frozenset({"eventVersion", "eventTime", "eventID", "awsRegion"}), cloudtrail),
    ("webaclId", frozenset({"timestamp", "formatVersion", "httpRequest"}), waf),
    ("query_timestamp", frozenset({"query_name", "query_type", "rcode", "vpc_id"}), route53_resolver),
    ("x-edge-result-type", frozenset({"x-edge-request-id"}), cloudfront),
    ("class_uid", frozenset({"category_uid", "metadata", "time"}), ocsf),
    ("log_status", frozenset({"start", "end"}), vpc_flow),
)
"""A name that few other logs have, looked up for each message; the names next to it; the parser."""


UNKNOWN = Parsed({}, None)
"""What :class:`Recognized` returns for a message that is not certain to be of one of these logs."""


class Recognized:
    """Reads the messages of one log stream that are certain to be of a delivered log.

    A header that names columns counts for the lines after it. What the parser of a log cannot read counts as unknown,
    because a message may look like something that it is not.

    :param zone: of times that name none
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._made: dict[_Maker, Parser] = {}
        self._headed: Parser | None = None

    def line(self, text: str) -> Parsed | None:
        """Read a message that is not a JSON object.

        :param text: the message
        :returns: None for a header, :data:`UNKNOWN` for a line of something else
        """
        log = _of_text(text)
        parse = self._parser(log) if log else self._headed
        if parse is None:
            return UNKNOWN
        found = _tried(parse, text)
        if found is None:
            self._headed = parse
        return found

    def fields(self, fields: dict[str, Any]) -> Parsed:
        """Read a message that has fields.

        :param fields: the message; not changed
        :returns: :data:`UNKNOWN` if none of these services writes such fields
        """
        log = _of_fields(fields)
        return (log and _tried(self._parser(log), fields)) or UNKNOWN

    def _parser(self, log: _Maker) -> Parser:
        if log not in self._made:
            self._made[log] = log(self._zone)
        return self._made[log]


def _tried(parse: Parser, message: Message) -> Parsed | None:
    try:
        return parse(message)
    except Unreadable:
        return UNKNOWN


def _of_text(text: str) -> _Maker | None:
    """The log of a line, or of a header that names the columns of the lines after it."""
    first = text[:1]
    if text[64:65] == " " and _S3_ACCESS.match(text):
        return s3_access
    if first == "2":
        if text[26:28] == "Z ":
            return alb_connection if _ALB_CONNECTION.match(text) else clb if _CLB.match(text) else None
        if text[10:11] == "\t":
            return cloudfront if _CLOUDFRONT.match(text) else None
        return vpc_flow if text[:2] == "2 " and _FLOW.match(text) else None
    if first in ("h", "w", "g"):
        return alb if _ALB.match(text) else None
    if first == "#":
        return cloudfront if text.startswith(_CLOUDFRONT_HEADS) and _is_of_cloudfront(text[:_LONGEST]) else None
    if first not in _FLOW_FIRST:
        return None
    if first == "t" and _NLB.match(text):
        return nlb
    head = text[:_LONGEST].rstrip("\n")
    return vpc_flow if _FLOW_HEAD.fullmatch(head) and any(name in head for name in _FLOW_NAMES) else None


def _is_of_cloudfront(head: str) -> bool:
    """Whether a header is that of CloudFront; IIS, too, writes lines that begin with these words."""
    return head.rstrip() == "#Version: 1.0" or "x-edge" in head or "timestamp(ms)" in head


def _of_fields(fields: Mapping[str, Any]) -> _Maker | None:
    for rare, others, log in _NAMES:
        if rare in fields and others <= fields.keys():
            return log
    return None
