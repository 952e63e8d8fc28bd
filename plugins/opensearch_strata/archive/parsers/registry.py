"""Parsers by name, and which one reads which log. To add one, write a module like those here and add it to each table.

Names that are not in these tables belong to installed distributions; see docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from opensearch_strata.archive.events import NOWHERE, Origin
from opensearch_strata.archive.parsers.api_gateway.access import api_gateway
from opensearch_strata.archive.parsers.api_gateway.execution import api_gateway_execution
from opensearch_strata.archive.parsers.containers.container import container
from opensearch_strata.archive.parsers.containers.control_plane import eks_control_plane
from opensearch_strata.archive.parsers.content import by_content
from opensearch_strata.archive.parsers.delivered.cloudfront import cloudfront
from opensearch_strata.archive.parsers.delivered.cloudtrail import cloudtrail
from opensearch_strata.archive.parsers.delivered.load_balancers import alb, alb_connection, clb, nlb
from opensearch_strata.archive.parsers.delivered.ocsf import ocsf
from opensearch_strata.archive.parsers.delivered.route53_resolver import route53_resolver
from opensearch_strata.archive.parsers.delivered.s3_access import s3_access
from opensearch_strata.archive.parsers.delivered.vpc_flow import flow_log, vpc_flow
from opensearch_strata.archive.parsers.delivered.waf import waf
from opensearch_strata.archive.parsers.installed import installed_parser
from opensearch_strata.archive.parsers.lambda_log import lambda_log
from opensearch_strata.archive.parsers.mysql import audit, error, general, slow
from opensearch_strata.archive.parsers.parsed import Entries, Parser
from opensearch_strata.archive.parsers.pattern import begins_by, pattern_message
from opensearch_strata.archive.parsers.plain import json_message, raw_message
from opensearch_strata.archive.parsers.postgresql import server_log
from opensearch_strata.archive.parsers.system.cloud_init import CloudInitEntries, cloud_init
from opensearch_strata.archive.parsers.system.journald import JournalEntries, journald
from opensearch_strata.archive.parsers.system.syslog import syslog
from opensearch_strata.archive.timestamps import zone_of
from opensearch_strata.definition.extensions import BUILT_IN
from opensearch_strata.definition.notation.lists import flow_names, listed

if TYPE_CHECKING:
    from opensearch_strata.definition.loading.intake import ParserName


PARSERS: Mapping[ParserName, Callable[[ZoneInfo], Parser]] = {
    "mysql_general": general.mysql_general,
    "mysql_slow": slow.mysql_slow,
    "mysql_error": error.mysql_error,
    "mysql_audit": audit.mysql_audit,
    "lambda": lambda_log,
    "vpc_flow": vpc_flow,
    "api_gateway": api_gateway,
    "api_gateway_execution": api_gateway_execution,
    "postgresql": server_log.postgresql,
    "syslog": syslog,
    "journald": journald,
    "cloud_init": cloud_init,
    "container": container,
    "eks_control_plane": eks_control_plane,
    "alb": alb,
    "alb_connection": alb_connection,
    "nlb": nlb,
    "clb": clb,
    "cloudfront": cloudfront,
    "s3_access": s3_access,
    "cloudtrail": cloudtrail,
    "waf": waf,
    "route53_resolver": route53_resolver,
    "ocsf": ocsf,
    "json": json_message,
    "raw": raw_message,
    "auto": by_content,
}
"""Name -> function that creates the parser for one log stream of an object, given the zone of times that name none.
Only parsers that need nothing else from the dataset; see :func:`parser_of`."""

_REMEMBERING = frozenset({"mysql_general", "mysql_slow", "vpc_flow", "cloudfront"})

_ENTRIES: Mapping[ParserName, Callable[[], Entries]] = {
    "mysql_general": general.GeneralLogEntries,
    "mysql_slow": lambda: Entries(slow.begins),
    "mysql_error": lambda: Entries(error.begins),
    "mysql_audit": lambda: Entries(audit.begins),
    "postgresql": lambda: Entries(server_log.begins),
    "journald": JournalEntries,
    "cloud_init": CloudInitEntries,
}

# Log groups that AWS names, and keys and groups whose names say what they contain.
_WELL_KNOWN: tuple[tuple[str, ParserName], ...] = (
    ("/aws/rds/*/general", "mysql_general"),
    ("/aws/rds/*/slowquery", "mysql_slow"),
    ("/aws/rds/*/error", "mysql_error"),
    ("/aws/rds/*/audit", "mysql_audit"),
    ("/aws/lambda/*", "lambda"),
    ("*vpcflowlogs*", "vpc_flow"),
    ("*vpc-flow-log*", "vpc_flow"),
    ("/aws/apigateway/welcome", "raw"),  # one sentence, written when logging is set up
    ("/aws/apigateway/*", "api_gateway"),
    ("/aws/api-gateway/*", "api_gateway"),
    ("*api-gateway-access-logs*", "api_gateway"),
)
# Likewise, unless a dataset describes lines itself: it may have described these before there were parsers for them.
_UNDESCRIBED: tuple[tuple[str, ParserName], ...] = (
    ("/aws/rds/*/postgresql", "postgresql"),
    ("api-gateway-execution-logs_*", "api_gateway_execution"),
    ("/aws/eks/*/cluster", "eks_control_plane"),
    ("/aws/containerinsights/*", "container"),
    ("/aws/ecs/containerinsights/*", "container"),
    ("/ecs/*", "container"),
    ("*firelens*", "container"),
    ("*cloud-init*", "cloud_init"),
    ("*journald*", "journald"),
    # As the CloudWatch agent calls them, by the path of their file.
    *((f"*var/log/{name}*", "syslog") for name in ("messages", "syslog", "secure", "auth.log", "maillog", "mail.log")),
    *((f"*var/log/{name}*", "syslog") for name in ("cron", "kern.log", "daemon.log", "boot.log")),
)

_DIGIT = "[0-9]"
# Likewise; keys as the services lay them out, in small letters. Not used for log groups, whose names are free.
_DELIVERED: tuple[tuple[str, ParserName], ...] = (
    ("*/conn_log.*_elasticloadbalancing_*", "alb_connection"),
    ("*_elasticloadbalancing_*_app.*", "alb"),
    ("*_elasticloadbalancing_*_net.*", "nlb"),
    ("*_elasticloadbalancing_*", "clb"),
    ("*_cloudtrail_*", "cloudtrail"),
    ("*_cloudtrail-insight_*", "cloudtrail"),
    ("*_waflogs_*", "waf"),
    ("*aws-waf-logs-*", "waf"),
    ("*_vpcdnsquerylogs_*", "route53_resolver"),
    (f"*{12 * '[0-9a-z]'}.20{'-'.join([2 * _DIGIT] * 4)}.*", "cloudfront"),
    (f"*20{'-'.join([2 * _DIGIT] * 6)}-{16 * '[0-9a-f]'}", "s3_access"),
    ("*/region=*/accountid=*/eventday=*", "ocsf"),
)


class ParserSettings(Protocol):
    """What decides about parsers: the keys of these names in a dataset's intake."""

    @property
    def parser(self) -> ParserName: ...
    @property
    def parsers(self) -> Mapping[str, ParserName]: ...
    @property
    def pattern(self) -> str | list[str] | None: ...
    @property
    def flow_fields(self) -> str | None: ...
    @property
    def log_time_zone(self) -> str: ...


def parser_name(intake: ParserSettings, origin: Origin, key: str) -> ParserName:
    """The parser for a log: by the dataset's patterns, else the dataset's parser, else by the name of the log.

    :param key: the object's key; used if there is no log group
    :returns: ``auto`` if each message is to be examined individually
    """
    name = origin.log_group or key
    stated = (parser for pattern, parser in intake.parsers.items() if fnmatchcase(name, pattern))
    parser = next(stated, intake.parser)
    if parser != "auto":
        return parser
    return _by_name(name.lower(), bool(origin.log_group), intake.pattern is not None)


@lru_cache(maxsize=1000)  # each of thousands of small objects asks
def _by_name(name: str, is_group: bool, is_described: bool) -> ParserName:
    unnamed = () if is_group else _DELIVERED
    named = _WELL_KNOWN if is_described else (*_WELL_KNOWN, *_UNDESCRIBED, *unnamed)
    usual: ParserName = "pattern" if is_described else "auto"
    return next((known for pattern, known in named if fnmatchcase(name, pattern)), usual)


def parser_of(name: ParserName, intake: ParserSettings) -> Parser:
    """Create the parser for one log stream of an object.

    :param name: as :func:`parser_name` returns it
    :raises DefinitionError: it is not one of ours, and it is not installed or cannot be used
    """
    if name == "pattern":
        return pattern_message(listed(intake.pattern))
    if name == "vpc_flow" and intake.flow_fields:
        return flow_log(flow_names(intake.flow_fields))
    make = PARSERS[name] if name in PARSERS else installed_parser(name).made
    return make(zone_of(intake.log_time_zone))


def remembers(name: ParserName) -> bool:
    """Whether a parser must see every message because what it reads from one depends on earlier ones.

    :param name: the parser's name
    :raises DefinitionError: it is not one of ours, and it is not installed or cannot be used
    """
    if name in BUILT_IN["parser"]:
        return name in _REMEMBERING
    return installed_parser(name).remembers


def begins_of(intake: ParserSettings, key: str) -> Entries | None:
    """Decides whether a line of a plain text object begins an entry; None: every line is one. It may remember earlier
    lines, so each object needs its own.

    :param key: the object's key
    :raises DefinitionError: the parser is not one of ours, and it is not installed or cannot be used
    """
    name = parser_name(intake, NOWHERE, key)
    if name == "pattern":
        return Entries(begins_by(listed(intake.pattern)))
    if name not in BUILT_IN["parser"]:
        return installed_parser(name).entries
    return _ENTRIES[name]() if name in _ENTRIES else None
