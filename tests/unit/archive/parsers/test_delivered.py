"""Logs that AWS's services deliver to buckets: their fields, their times, and what is not one of their lines."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opensearch_strata.archive.events import NOWHERE, Origin
from opensearch_strata.archive.parsers.delivered.columns import words_around, words_of
from opensearch_strata.archive.parsers.parsed import Parsed, Unreadable
from opensearch_strata.archive.parsers.registry import PARSERS, parser_name
from opensearch_strata.definition.loading.intake import Intake, ParserName
from tests import delivered
from tests.delivered import KEYS

UTC = ZoneInfo("UTC")
SEVEN = 1741158001000  # 2025-03-05T07:00:01Z
LINES: dict[ParserName, str] = {
    "alb": delivered.ALB,
    "alb_connection": delivered.ALB_CONNECTION,
    "nlb": delivered.NLB,
    "clb": delivered.CLB,
    "s3_access": delivered.S3_ACCESS,
    "cloudfront": delivered.CLOUDFRONT,
}
OBJECTS: dict[ParserName, dict[str, Any]] = {
    "cloudfront": json.loads(delivered.CLOUDFRONT_JSON),
    "cloudtrail": delivered.CLOUDTRAIL,
    "waf": delivered.WAF,
    "route53_resolver": delivered.RESOLVER,
    "ocsf": delivered.SECURITY_LAKE,
}


def read(name: ParserName, message: Any) -> Parsed:
    parsed = PARSERS[name](UTC)(message)
    assert parsed is not None
    return parsed


def test_an_entry_of_an_application_load_balancer() -> None:
    assert read("alb", delivered.ALB) == Parsed(
        {
            "type": "https", "time": "2025-03-05T07:00:01.186641Z", "elb": "app/my-loadbalancer/50dc6c495c0c9188",
            "client_ip": "192.168.131.39", "client_port": 2817, "target_ip": "10.0.0.1", "target_port": 80,
            "request_processing_time": 0.086, "target_processing_time": 0.048, "response_processing_time": 0.037,
            "elb_status_code": 200, "target_status_code": 200, "received_bytes": 0, "sent_bytes": 57,
            "request_verb": "GET", "request_url": "https://www.example.com:443/a?b=c", "request_proto": "HTTP/1.1",
            "user_agent": "curl/7.46.0", "ssl_cipher": "ECDHE-RSA-AES128-GCM-SHA256", "ssl_protocol": "TLSv1.2",
            "target_group_arn": delivered.ALB.split(" ")[18],
            "trace_id": "Root=1-58337281-1d84f3d73c47ec4e58577259", "domain_name": "www.example.com",
            "chosen_cert_arn": "arn:aws:acm:us-east-2:123456789012:certificate/1234", "matched_rule_priority": 1,
            "request_creation_time": "2025-03-05T07:00:01.014000Z", "actions_executed": ["authenticate", "forward"],
            "target_port_list": ["10.0.0.1:80"], "target_status_code_list": [200],
            "conn_trace_id": "TID_1234abcd5678ef90",
        },
        SEVEN + 186,
    )  # fmt: skip


def test_a_request_that_no_target_answered() -> None:
    fields = read("alb", delivered.ALB_REFUSED).fields
    assert (fields["client_ip"], fields["request_processing_time"]) == ("2001:db8::1", -1.0)
    assert fields["request_url"] == "http://x:80-"
    absent = {"target_ip", "target_status_code", "request_verb", "request_proto", "user_agent", "conn_trace_id"}
    assert not absent & fields.keys()


def test_columns_that_a_service_adds_are_kept() -> None:
    fields = read("alb", delivered.ALB + ' 10.0.1.7 "a b"').fields
    assert fields["further_fields"] == ["10.0.1.7", "a b"]


def test_older_entries_have_fewer_columns() -> None:
    old = delivered.ALB.partition(" 2025-03-05T07:00:01.014000Z")[0]
    assert read("alb", old).fields == {
        name: value
        for name, value in list(read("alb", delivered.ALB).fields.items())
        if name not in {"request_creation_time", "actions_executed", "target_port_list", "target_status_code_list"}
        and name != "conn_trace_id"
    }


def test_a_connection_of_a_load_balancer() -> None:
    fields, time = read("alb_connection", delivered.ALB_CONNECTION)
    assert time == SEVEN + 514
    assert fields["leaf_client_cert_subject"].endswith("L=Seattle,ST=Washington,C=US")
    assert (fields["client_port"], fields["tls_handshake_latency"]) == (36280, 4.036)
    plain = "2025-03-05T07:00:01.514108Z 203.0.113.1 36280 80 - - - - - - - TID_3180a73013c8ca4bac2f731159d4b0fe"
    assert len(read("alb_connection", plain).fields) == 5


def test_an_entry_of_a_network_load_balancer() -> None:
    fields, time = read("nlb", delivered.NLB)
    assert time == SEVEN  # the time names no zone, and is in UTC
    assert (fields["destination_ip"], fields["destination_port"], fields["connection_time"]) == (
        "172.100.100.185",
        443,
        5,
    )
    assert fields["alpn_client_preference_list"] == ["h2", "http/1.1"]
    assert "incoming_tls_alert" not in fields


def test_entries_of_a_classic_load_balancer() -> None:
    fields, time = read("clb", delivered.CLB)
    assert (time, fields["backend_processing_time"], fields["request_verb"]) == (SEVEN + 945, 0.001048, "GET")
    tcp = read("clb", delivered.CLB_OF_TCP).fields
    assert tcp["sent_bytes"] == 305
    assert not [name for name in tcp if name.startswith("request_") and name != "request_processing_time"]


def test_a_line_of_s3() -> None:
    fields, time = read("s3_access", delivered.S3_ACCESS)
    assert time == SEVEN
    assert list(fields) == [
        "bucketowner", "bucket_name", "requestdatetime", "remoteip", "requester", "requestid", "operation",
        "request_verb",
        "request_url", "request_proto", "httpstatus", "bytessent", "totaltime", "useragent", "hostid", "sigv",
        "ciphersuite", "authtype", "endpoint", "tlsversion", "accesspointarn", "aclrequired", "sourceregion",
    ]  # fmt: skip
    assert (fields["httpstatus"], fields["bytessent"], fields["totaltime"]) == (200, 113, 7)


def test_s3_writes_what_a_client_sent_without_escaping_it() -> None:
    line = delivered.S3_ACCESS.replace("S3Console/0.4", 'Mozilla "x" y"z').replace('"-" "Moz', '"http://a/"b"" "Moz')
    fields = read("s3_access", line).fields
    assert (fields["useragent"], fields["referrer"]) == ('Mozilla "x" y"z', 'http://a/"b"')
    assert fields["sourceregion"] == "us-east-1"


@pytest.mark.parametrize(("name", "column"), [("s3_access", "useragent"), ("clb", "user_agent")])
def test_a_client_cannot_add_columns(name: ParserName, column: str) -> None:
    forged = 'x" - forged SigV9 - - - - - "y'
    honest = read(name, LINES[name]).fields
    fields = read(name, LINES[name].replace(honest[column], forged)).fields
    assert fields == {**honest, column: forged}


def test_an_event_of_cloudfront_is_the_same_as_text_and_as_json() -> None:
    parse = PARSERS["cloudfront"](UTC)
    assert [parse(line) for line in delivered.CLOUDFRONT_HEAD.split("\n")] == [None, None]
    fields, time = parse(delivered.CLOUDFRONT) or Parsed({}, None)
    assert time == SEVEN
    assert (fields["sc_bytes"], fields["sc_status"], fields["time_taken"], fields["c_port"]) == (392, 200, 0.001, 11040)
    assert (fields["cs_host"], fields["cs_user_agent"]) == (
        "d111111abcdef8.cloudfront.net",
        "Mozilla/5.0%20(Windows%20NT%2010.0)",
    )
    assert "cs_referer" not in fields
    assert read("cloudfront", delivered.CLOUDFRONT) == Parsed(fields, time)  # by the legacy order

    by_json = read("cloudfront", delivered.CLOUDFRONT_JSON)
    assert by_json == read("cloudfront", json.loads(delivered.CLOUDFRONT_JSON))
    assert by_json.time == SEVEN
    assert (by_json.fields["sc_status"], by_json.fields["cs_user_agent"]) == (304, "Feedly/1.0")


def test_the_fields_line_of_cloudfront_decides_the_order() -> None:
    parse = PARSERS["cloudfront"](UTC)
    assert parse("#Fields: c-ip timestamp(ms) sc-status") is None
    assert parse("192.0.2.1\t1741158001123\t200") == Parsed(
        {"c_ip": "192.0.2.1", "timestamp_ms": 1741158001123, "sc_status": 200}, SEVEN + 123
    )
    with pytest.raises(Unreadable, match="33 values where this CloudFront log has 3"):
        parse(delivered.CLOUDFRONT)


def test_events_of_cloudtrail_and_its_insights() -> None:
    assert read("cloudtrail", delivered.CLOUDTRAIL) == Parsed(delivered.CLOUDTRAIL, SEVEN)
    assert read("cloudtrail", delivered.INSIGHT).fields["insightDetails"]["state"] == "Start"
    with pytest.raises(Unreadable, match=r"intake\.unwrap: Records"):
        read("cloudtrail", {"Records": [delivered.CLOUDTRAIL]})


def test_requests_queries_and_security_events() -> None:
    assert read("waf", delivered.WAF) == Parsed(delivered.WAF, SEVEN + 123)
    assert read("route53_resolver", json.dumps(delivered.RESOLVER)) == Parsed(
        {**delivered.RESOLVER, "srcport": 56067}, SEVEN
    )
    assert read("ocsf", delivered.SECURITY_LAKE) == Parsed(delivered.SECURITY_LAKE, SEVEN)


def test_a_flow_log_of_version_8_and_the_same_record_from_parquet() -> None:
    parse = PARSERS["vpc_flow"](UTC)
    assert parse(delivered.FLOW_HEAD) is None
    found = parse(delivered.FLOW)
    assert found is not None
    assert found.time == SEVEN
    assert (found.fields["traffic_path"], found.fields["reject_reason"], found.fields["tcp_flags"]) == (8, "BPA", 19)
    assert read("vpc_flow", {**found.fields, "action": "-"}) == found


@pytest.mark.parametrize("name", [*LINES, *OBJECTS, "vpc_flow"])
@pytest.mark.parametrize(
    "message", ["", "hello", "-", "- - - - - - - - - - - - - - - - - -", "{}", {}, {"a": 1}, "[1]"]
)
def test_what_is_none_of_their_lines(name: ParserName, message: Any) -> None:
    if name == "vpc_flow" and isinstance(message, dict):
        return  # a record without a start has no time; see the shaper
    with pytest.raises(Unreadable):
        read(name, message)


@pytest.mark.parametrize(
    ("name", "place"), [("alb", " 200 0 57 "), ("nlb", " 98 246 "), ("clb", " 0 29 "), ("s3_access", " 7 - ")]
)
@pytest.mark.parametrize("value", ["x", "1_0", "٣", "1e5", "9" * 5000, "1.2.3"])
def test_a_value_that_a_column_cannot_have(name: ParserName, place: str, value: str) -> None:
    assert place in LINES[name]
    with pytest.raises(Unreadable, match=rf"has '{value[:40]}' as \w+, which .* cannot have"):
        read(name, LINES[name].replace(place, f" {value} {place.split(' ', 2)[2]}"))


# By key, and by content alone.


@pytest.mark.parametrize("name", KEYS)
def test_keys_say_which_log_it_is(name: str) -> None:
    assert parser_name(Intake(), NOWHERE, KEYS[name]) == name
    assert parser_name(Intake(), NOWHERE, f"some/prefix/{KEYS[name]}") == name


def test_groups_and_patterns_come_before_keys() -> None:
    assert parser_name(Intake(), Origin("", "app", ""), KEYS["alb"]) == "auto"
    assert parser_name(Intake(pattern="(?P<a>.*)"), NOWHERE, KEYS["alb"]) == "pattern"
    assert parser_name(Intake(parser="raw"), NOWHERE, KEYS["alb"]) == "raw"


@pytest.mark.parametrize(
    "key", ["2025/03/05/07/app.gz", f"2025/03/05/07/s-1-2025-03-05-07-08-09-{'0' * 8}-0000-0000-0000-{'0' * 12}"]
)
def test_other_keys_say_nothing(key: str) -> None:
    assert parser_name(Intake(), NOWHERE, key) == "auto"


@pytest.mark.parametrize("name", LINES)
def test_lines_are_known_by_their_content(name: ParserName) -> None:
    assert read("auto", LINES[name] + "\n") == read(name, LINES[name])


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_are_known_by_their_fields(name: ParserName) -> None:
    assert read("auto", OBJECTS[name]) == read(name, OBJECTS[name]) == read("auto", json.dumps(OBJECTS[name]))


def test_insights_are_known_by_their_fields() -> None:
    assert read("auto", delivered.INSIGHT).time == SEVEN + 539_000


def test_a_header_counts_for_the_lines_after_it() -> None:
    auto = PARSERS["auto"](UTC)
    assert auto(delivered.FLOW_HEAD) is None
    flow = auto(delivered.FLOW)
    assert flow is not None
    assert flow.fields["vpc_id"] == "vpc-abcdefab012345678"
    assert auto("something else") == Parsed({"message": "something else"}, None)
    assert auto("#Fields: date time x-edge-location") is None
    assert auto("2025-03-05\t07:00:01\tLAX1") == Parsed(
        {"date": "2025-03-05", "time": "07:00:01", "x_edge_location": "LAX1"}, SEVEN
    )


@pytest.mark.parametrize(
    "message",
    [
        "http is not a log", "https 2025-03-05T07:00:01.186641Z app/ cut off", "tls 2.0 what", "the start of it",
        "#Version: 1.0 of the program", "#Fields: date time s-ip cs-method",
        "2025-03-05T07:00:01.186641Z ERROR it broke",
        "2025-03-05T07:00:01.186641Z host 1.2.3.4:80 5.6.7.8:80 ok", "2 123456789012 eni-00000000 and more", "",
        delivered.ALB.replace(" 200 ", " ok "), delivered.S3_ACCESS.replace(" 113 ", " x "),
    ],
)  # fmt: skip
def test_what_only_begins_like_one_stays_a_message(message: str) -> None:
    assert read("auto", message) == Parsed({"message": message}, None)


@pytest.mark.parametrize(
    "fields",
    [{"eventSource": "x"}, {"time": 5, "class_uid": 1}, {"timestamp": 1, "webaclId": "a"}, {"eventVersion": "2.1"}],
)
def test_objects_that_are_only_similar_keep_their_fields(fields: dict[str, Any]) -> None:
    assert read("auto", fields) == Parsed(fields, None)


# Hostile lines.

plain_word = st.text(st.characters(exclude_characters='" ', codec="utf-8"), min_size=1, max_size=5)
# A mark that a blank follows ends a word, and one at the end of a word cannot be told from the one that closes it.
quoted_word = st.text(st.characters(codec="utf-8") | st.sampled_from('" '), max_size=5).filter(
    lambda text: '" ' not in text and not text.startswith(" ") and not text.endswith('"')
)
written = st.lists(
    plain_word.map(lambda text: (text, text)) | quoted_word.map(lambda text: (text, f'"{text}"')), max_size=9
)


@given(written)
@example([("", '""'), (" ", '" "')])
def test_words_are_what_was_written(parts: list[tuple[str, str]]) -> None:
    line = " ".join(shown for _, shown in parts)
    assert words_of(line) == [text for text, _ in parts]


@given(written, st.text(), st.lists(plain_word, max_size=3))
def test_a_client_s_text_is_all_that_is_between_its_marks(
    before: list[tuple[str, str]], text: str, after: list[str]
) -> None:
    line = " ".join([*(shown for _, shown in before), f'"{text}"', *after])
    assert words_around(line, len(before)) == [*(text for text, _ in before), text, *after]


@pytest.mark.parametrize("line", ['"', 'a "b', 'a "b" "', '"a"b', 'a" "b "c'])
def test_a_mark_that_is_not_closed(line: str) -> None:
    with pytest.raises(Unreadable, match="quotation mark that is not closed"):
        words_of(line)


def test_a_line_of_many_words_is_refused_early() -> None:
    for line in ("a " * 500_000, '"a" ' * 500_000, '" ' * 500_000):
        with pytest.raises(Unreadable):
            words_of(line)


@given(st.sampled_from(sorted(LINES)), st.data())
def test_damage_is_read_or_unreadable_and_nothing_else(name: ParserName, data: st.DataObject) -> None:
    line = LINES[name]
    at = data.draw(st.integers(0, len(line)))
    more = data.draw(st.text(max_size=5) | st.sampled_from(['"', '" "', "\0", "\t", " ", "x" * 2**20, '"' * 999]))
    damaged = line[:at] + more + line[at + data.draw(st.integers(0, 2000)) :]
    for parse in (PARSERS[name](UTC), PARSERS["auto"](UTC)):
        with suppress(Unreadable):
            parsed = parse(damaged)
            assert parsed is None or json.dumps(parsed.fields)


@given(st.sampled_from(sorted(OBJECTS)), st.data())
def test_fields_of_other_types_are_read_or_unreadable_and_nothing_else(name: ParserName, data: st.DataObject) -> None:
    fields = dict(OBJECTS[name])
    field = data.draw(st.sampled_from(sorted(fields)))
    fields[field] = data.draw(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([{}]))
    for parse in (PARSERS[name](UTC), PARSERS["auto"](UTC)):
        with suppress(Unreadable):
            parsed = parse(dict(fields))
            assert parsed is None or isinstance(parsed.time, int | None)
