"""Access logs of load balancers, and connection logs of Application Load Balancers.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html and
load-balancer-connection-logs.html, .../network/load-balancer-access-logs.html, .../classic/access-log-collection.html.
Fields are named as there; ``client:port`` becomes ``client_ip`` and ``client_port``, as in AWS's tables for Athena.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from opensearch_strata.archive.parsers.delivered.columns import (
    MOST_WORDS,
    Column,
    Fields,
    address,
    decimal,
    read_columns,
    request,
    several,
    text,
    whole,
    words_around,
    words_of,
)
from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable, text_of
from opensearch_strata.archive.timestamps import read_iso


def _offers(fields: Fields, name: str, value: str) -> None:
    """Protocols like ``"h2","http/1.1"``."""
    fields[name] = [part.strip('"') for part in value.split(",", MOST_WORDS)]


_ALB = (
    Column("type", text), Column("time", text), Column("elb", text), Column("client", address),
    Column("target", address), Column("request_processing_time", decimal), Column("target_processing_time", decimal),
    Column("response_processing_time", decimal), Column("elb_status_code", whole), Column("target_status_code", whole),
    Column("received_bytes", whole), Column("sent_bytes", whole), Column("request", request),
    Column("user_agent", text), Column("ssl_cipher", text), Column("ssl_protocol", text),
    Column("target_group_arn", text), Column("trace_id", text), Column("domain_name", text),
    Column("chosen_cert_arn", text), Column("matched_rule_priority", whole), Column("request_creation_time", text),
    Column("actions_executed", several(",")), Column("redirect_url", text), Column("error_reason", text),
    Column("target_port_list", several(" ")), Column("target_status_code_list", several(" ")),
    Column("classification", text), Column("classification_reason", text), Column("conn_trace_id", text),
    Column("transformed_host", text), Column("transformed_uri", text), Column("request_transform_status", text),
)  # fmt: skip
_ALB_CONNECTION = (
    Column("timestamp", text), Column("client_ip", text), Column("client_port", whole), Column("listener_port", whole),
    Column("tls_protocol", text), Column("tls_cipher", text), Column("tls_handshake_latency", decimal),
    Column("leaf_client_cert_subject", text), Column("leaf_client_cert_validity", text),
    Column("leaf_client_cert_serial_number", text), Column("tls_verify_status", text), Column("conn_trace_id", text),
)  # fmt: skip
_NLB = (
    Column("type", text), Column("version", text), Column("time", text), Column("elb", text), Column("listener", text),
    Column("client", address), Column("destination", address), Column("connection_time", whole),
    Column("tls_handshake_time", whole), Column("received_bytes", whole), Column("sent_bytes", whole),
    Column("incoming_tls_alert", text), Column("chosen_cert_arn", text), Column("chosen_cert_serial", text),
    Column("tls_cipher", text), Column("tls_protocol_version", text), Column("tls_named_group", text),
    Column("domain_name", text), Column("alpn_fe_protocol", text), Column("alpn_be_protocol", text),
    Column("alpn_client_preference_list", _offers), Column("tls_connection_creation_time", text),
)  # fmt: skip
_CLB = (
    Column("time", text), Column("elb", text), Column("client", address), Column("backend", address),
    Column("request_processing_time", decimal), Column("backend_processing_time", decimal),
    Column("response_processing_time", decimal), Column("elb_status_code", whole),
    Column("backend_status_code", whole), Column("received_bytes", whole), Column("sent_bytes", whole),
    Column("request", request), Column("user_agent", text), Column("ssl_cipher", text), Column("ssl_protocol", text),
)  # fmt: skip


def alb(_: ZoneInfo) -> Parser:
    """Access logs of Application Load Balancers. The time of an event is ``time``, at which the response was sent; a
    WebSocket's is when it was closed. Processing times are in seconds; -1 says that there was none."""
    return _parser("an entry of an Application Load Balancer", _ALB, 13, "time")


def alb_connection(_: ZoneInfo) -> Parser:
    """Connection logs of Application Load Balancers, by ``timestamp``: when a connection was made, or failed."""
    return _parser("an entry of a connection log", _ALB_CONNECTION, 5, "timestamp")


def nlb(_: ZoneInfo) -> Parser:
    """Access logs of the TLS listeners of Network Load Balancers, by ``time``: when the connection ended, in UTC."""
    return _parser("an entry of a Network Load Balancer", _NLB, 11, "time", _unquoted)


def clb(_: ZoneInfo) -> Parser:
    """Access logs of Classic Load Balancers, by ``time``: when the request arrived."""
    return _parser("an entry of a Classic Load Balancer", _CLB, 12, "time", lambda line: words_around(line, 12))


def _unquoted(line: str) -> list[str]:
    """The words of a line in which quotation marks are part of a word."""
    return line.split(" ", MOST_WORDS)


def _parser(
    kind: str,
    columns: Sequence[Column],
    least: int,
    timed: str,
    words: Callable[[str], Sequence[str]] = words_of,
) -> Parser:
    def parse(message: Message) -> Parsed:
        fields = read_columns(kind, columns, least, words(text_of(message)))
        stated = fields.get(timed)
        time = read_iso(stated) if stated else None
        if time is None:
            raise Unreadable(f"has no time where {kind} has it")
        return Parsed(fields, time)

    return parse
