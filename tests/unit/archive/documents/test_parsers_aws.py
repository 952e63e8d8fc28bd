"""Logs of AWS's services, JSON and plain messages, and which parser reads which log."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opensearch_strata.archive.events import NOWHERE, Origin
from opensearch_strata.archive.parsers.parsed import Parsed, Parser, Unreadable
from opensearch_strata.archive.parsers.registry import PARSERS, begins_of, parser_name
from opensearch_strata.archive.parsers.registry import parser_of as made_for
from opensearch_strata.definition.extensions import BUILT_IN
from opensearch_strata.definition.loading.intake import Intake, ParserName

UTC = ZoneInfo("UTC")
REQUEST = "8f507cfc-xmpl-4697-b07a-ac58fc914c95"


def parser_of(name: ParserName) -> Parser:
    return PARSERS[name](UTC)


def read(name: ParserName, message: Any) -> Parsed:
    parsed = parser_of(name)(message)
    assert parsed is not None
    return parsed


def test_every_parser_that_a_dataset_can_name_is_there() -> None:
    assert {*PARSERS, "pattern"} == set(BUILT_IN["parser"])


def test_the_report_of_a_lambda_invocation() -> None:
    line = (
        f"REPORT RequestId: {REQUEST}\tDuration: 26.73 ms\tBilled Duration: 27 ms \tMemory Size: 128 MB\t"
        "Max Memory Used: 75 MB\tInit Duration: 167.90 ms\t\n"
        "XRAY TraceId: 1-5e34a614-10bdxmplf1fb44f07bc535a1\tSegmentId: 07f5xmpl2d1f6f85\tSampled: true\t\n"
    )
    assert read("lambda", line).fields == {
        "type": "platform.report", "request_id": REQUEST, "duration_ms": 26.73, "billed_duration_ms": 27.0,
        "memory_size_mb": 128, "max_memory_used_mb": 75, "init_duration_ms": 167.9,
        "trace_id": "1-5e34a614-10bdxmplf1fb44f07bc535a1", "segment_id": "07f5xmpl2d1f6f85", "sampled": True,
    }  # fmt: skip


def test_a_report_of_a_failure() -> None:
    fields = read("lambda", f"REPORT RequestId: {REQUEST}\tDuration: 3000.00 ms\tStatus: timeout\n").fields
    assert fields == {"type": "platform.report", "request_id": REQUEST, "duration_ms": 3000.0, "status": "timeout"}


def test_start_and_end_of_a_lambda_invocation() -> None:
    start = read("lambda", f"START RequestId: {REQUEST} Version: $LATEST\n").fields
    assert start == {"type": "platform.start", "request_id": REQUEST, "version": "$LATEST"}
    assert read("lambda", f"END RequestId: {REQUEST}\n").fields == {"type": "platform.end", "request_id": REQUEST}


def test_lambda_in_json_has_the_same_fields_as_in_text() -> None:
    message = (
        f'{{"time":"2024-03-13T18:56:24.160Z","type":"platform.report","record":{{"requestId":"{REQUEST}",'
        '"metrics":{"durationMs":26.73,"billedDurationMs":27,"memorySizeMB":128,"maxMemoryUsedMB":75,'
        '"initDurationMs":167.9},"status":"success"}}'
    )
    assert read("lambda", message) == Parsed(
        {
            "type": "platform.report", "request_id": REQUEST, "duration_ms": 26.73, "billed_duration_ms": 27,
            "memory_size_mb": 128, "max_memory_used_mb": 75, "init_duration_ms": 167.9, "status": "success",
        },
        1710356184160,
    )  # fmt: skip


def test_a_line_of_a_function_in_json() -> None:
    message = {"timestamp": "2024-03-13T18:56:24Z", "level": "INFO", "requestId": REQUEST, "message": "hi"}
    before = dict(message)
    assert read("lambda", message) == Parsed(
        {"timestamp": "2024-03-13T18:56:24Z", "level": "INFO", "request_id": REQUEST, "message": "hi"}, 1710356184000
    )
    assert message == before


@pytest.mark.parametrize("message", ["[ERROR] it broke\nTraceback", "{no json", "REPORT of the day", ""])
def test_other_lines_of_a_function_are_messages(message: str) -> None:
    assert read("lambda", message + "\n").fields == {"message": message}


FLOW = "2 012345678901 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"


def test_a_flow_log_record_in_the_default_order() -> None:
    assert read("vpc_flow", FLOW) == Parsed(
        {
            "version": 2, "account_id": "012345678901", "interface_id": "eni-1235b8ca", "srcaddr": "172.31.16.139",
            "dstaddr": "172.31.16.21", "srcport": 20641, "dstport": 22, "protocol": 6, "packets": 20, "bytes": 4249,
            "start": 1418530010, "end": 1418530070, "action": "ACCEPT", "log_status": "OK",
        },
        1418530010000,
    )  # fmt: skip


def test_fields_of_a_flow_log_without_a_value_are_left_out() -> None:
    fields = read("vpc_flow", "2 123456789010 eni-1 - - - - - - - 1431280876 1431280934 - NODATA\n").fields
    assert fields.keys() == {"version", "account_id", "interface_id", "start", "end", "log_status"}


def test_the_header_of_a_flow_log_decides_the_order() -> None:
    parse = parser_of("vpc_flow")
    assert parse("version vpc-id pkt-srcaddr tcp-flags start flow-direction") is None
    assert parse("5 vpc-1 10.0.0.1 19 1418530010 ingress") == Parsed(
        {
            "version": 5, "vpc_id": "vpc-1", "pkt_srcaddr": "10.0.0.1", "tcp_flags": 19, "start": 1418530010,
            "flow_direction": "ingress",
        },
        1418530010000,
    )  # fmt: skip
    with pytest.raises(Unreadable, match="14 values where a flow log record has 6"):
        parse(FLOW)


@pytest.mark.parametrize(
    "message", ["", "hello", "hello world", "the end", FLOW.replace(" 22 ", " ssh "), {"version": 2}]
)
def test_what_is_no_flow_log(message: Any) -> None:
    with pytest.raises(Unreadable):
        read("vpc_flow", message)


FIELDS = "${version} ${vpc-id} ${srcaddr} ${pkt-dstaddr} ${start} ${tcp-flags}"


@pytest.mark.parametrize("fields", [FIELDS, "version vpc-id srcaddr pkt-dstaddr start tcp-flags"])
def test_flow_logs_without_a_header_have_the_fields_that_are_stated(fields: str) -> None:
    intake = Intake(flow_fields=fields, parser="vpc_flow")
    parse = made_for("vpc_flow", intake)
    assert parse("5 vpc-1 10.0.0.1 - 1418530010 19") == Parsed(
        {"version": 5, "vpc_id": "vpc-1", "srcaddr": "10.0.0.1", "start": 1418530010, "tcp_flags": 19}, 1418530010000
    )
    assert parse("start version") is None  # an object's own header counts
    assert parse("1418530010 5") == Parsed({"start": 1418530010, "version": 5}, 1418530010000)


def test_a_flow_log_of_other_fields_names_the_cure() -> None:
    for message in ("5 vpc-1 10.0.0.1", FLOW.replace(" 22 ", " 2_2 ")):
        with pytest.raises(Unreadable, match=r"intake\.flow_fields"):
            read("vpc_flow", message)


@pytest.mark.parametrize("fields", ["", "${version", "version version", "version; drop", "${Version}"])
def test_what_is_no_list_of_flow_fields_is_refused(fields: str) -> None:
    with pytest.raises(ValueError, match="as AWS shows it"):
        Intake(flow_fields=fields)


REST = (
    '127.0.0.1 user-id - [10/Oct/2020:13:55:36 +0200]"GET /a path/{id} HTTP/1.1" 200 1024 c6af9ac6-7b61-11e6-9a41'
    " ext-1="
)


def test_the_common_log_format_of_api_gateway() -> None:
    fields = {
        "ip": "127.0.0.1", "caller": "user-id", "requestTime": "10/Oct/2020:13:55:36 +0200", "httpMethod": "GET",
        "resourcePath": "/a path/{id}", "protocol": "HTTP/1.1", "status": 200, "responseLength": 1024,
        "requestId": "c6af9ac6-7b61-11e6-9a41", "extendedRequestId": "ext-1=",
    }  # fmt: skip
    assert read("api_gateway", REST) == Parsed(fields, 1602330936000)
    http = REST.replace(']"', '] "').removesuffix(" ext-1=")
    del fields["extendedRequestId"]
    assert read("api_gateway", http + "\n").fields == fields


def test_json_of_api_gateway() -> None:
    message = (
        '{"requestId":"a","ip":"1.2.3.4","caller":"-","requestTimeEpoch":"1602330936123","status":"502",'
        '"integrationStatus":"-","integrationLatency":"57","responseLatency":"61"}'
    )
    assert read("api_gateway", message) == Parsed(
        {
            "requestId": "a", "ip": "1.2.3.4", "requestTimeEpoch": "1602330936123", "status": 502,
            "integrationLatency": 57, "responseLatency": 61,
        },
        1602330936123,
    )  # fmt: skip


@pytest.mark.parametrize("message", ["", "hello", "{", "<xml/>", REST.replace("200", "ok")])
def test_formats_of_access_logs_that_nobody_documented(message: str) -> None:
    with pytest.raises(Unreadable):
        read("api_gateway", message)


def test_json_messages() -> None:
    assert read("json", ' {"a": {"b": 1}}\n') == Parsed({"a": {"b": 1}}, None)
    fields = {"a": 1}
    parsed = read("json", fields).fields
    assert (parsed, parsed is fields) == (fields, False)
    assert read("json", '{"a": "\\ud800"}').fields == {"a": "\ud800"}
    for message in ("", "text", "[1]", "1", "{", '{"a":' * 100_000):
        with pytest.raises(Unreadable):
            read("json", message)


@pytest.mark.parametrize("message", ["", "hello\n", " {not json}", '{"a": 1', "[1, 2]", "\x00"])
def test_a_message_that_is_nothing_else_stays_as_it_is(message: str) -> None:
    for name in ("raw", "auto"):
        assert read(name, message).fields == {"message": message}


def test_auto_takes_fields_from_json() -> None:
    assert read("auto", '{"a": 1}').fields == {"a": 1}
    assert read("auto", {"a": 1}).fields == {"a": 1}
    assert read("raw", '{"a": 1}').fields == {"message": '{"a": 1}'}


@pytest.mark.parametrize(("size", "read_as"), [("1.5", 1.5), ("128", 128)])
def test_sizes_in_a_report_may_have_decimals(size: str, read_as: float) -> None:
    fields = read("lambda", f"REPORT RequestId: r\tUpload: {size} MB").fields
    assert repr(fields["upload_mb"]) == repr(read_as)


def test_a_time_that_is_none_is_no_time() -> None:
    assert read("api_gateway", '{"requestTime": "noon"}') == Parsed({"requestTime": "noon"}, None)


def test_a_json_access_log_may_begin_with_a_blank() -> None:
    assert read("api_gateway", ' {"status": "200"}').fields == {"status": 200}


DIGITS = "9" * 5000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("api_gateway", f'{{"status": "{DIGITS}"}}'),
        ("api_gateway", f'1.2.3.4 - - [06/May/2024:07:08:09 +0000] "GET / HTTP/1.1" 200 {DIGITS} id'),
        ("api_gateway", '{"requestTime": "01/Jan/0001:00:00:00 +2359"}'),
        ("api_gateway", '{"requestTime": ' + '{"a":' * 1015 + "1" + "}" * 1016),
        ("lambda", f"REPORT RequestId: r\tUpload: {DIGITS} MB"),
        ("lambda", f"REPORT RequestId: r\tDuration: {DIGITS} ms"),
        ("mysql_error", f"2013-01-05 12:00:00 {DIGITS} [Note] x"),
        ("mysql_audit", f"20240506 07:08:09,h,u,c,{DIGITS},{DIGITS},QUERY,,'x',{DIGITS}"),
    ],
)
def test_oddities_are_values_and_no_crash(name: ParserName, message: str) -> None:
    fields = read(name, message).fields
    assert all(isinstance(value, str | int | dict) and value != float("inf") for value in fields.values())


ZONES = [UTC, ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")]
PIECES = st.one_of(
    st.text(max_size=5),
    st.sampled_from(
        ["9999-12-31 23:59:59", "0001-01-01 00:00:00", "991231 23:59:59", "00010101 00:00:00", "99991231 23:59:59"]
    ),
    st.sampled_from(
        [DIGITS, "1.5", "0", " ", "\t", "\n", ",", "'", ": ", " MB", " ms", " [Note] ", "Z", "\ud800", "٣"]
    ),
    st.sampled_from(
        ["REPORT RequestId: ", "# User@Host: a[b] @ c []\n", "# Query_time: ", "SET timestamp=", "# Time: ", "QUERY,,"]
    ),
)


@given(st.lists(PIECES, max_size=8).map("".join) | st.text(), st.sampled_from(sorted(PARSERS)), st.sampled_from(ZONES))
@example("9999-12-31 23:59:59 hello", "mysql_error", ZONES[1])
@example("0001-01-01 00:00:00 hello", "mysql_error", ZONES[2])
@example("99991231 23:59:59,h,u,c,1,2,QUERY,,'x',0", "mysql_audit", ZONES[1])
def test_any_text_is_read_or_unreadable_and_nothing_else(text: str, name: ParserName, zone: ZoneInfo) -> None:
    with suppress(Unreadable):
        parsed = PARSERS[name](zone)(text)
        assert parsed is None or isinstance(parsed.fields, dict)


SEEDS = [FLOW, REST, f"REPORT RequestId: {REQUEST}\tDuration: 1 ms\t\n", '{"type":"platform.x","record":{"a":{}}}']


@given(st.sampled_from(SEEDS), st.sampled_from(sorted(PARSERS)), st.data())
def test_damage_is_read_or_unreadable_and_nothing_else(seed: str, name: ParserName, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(seed)))
    damaged = seed[:at] + data.draw(st.text(max_size=5)) + seed[at + data.draw(st.integers(0, 5)) :]
    with suppress(Unreadable):
        parsed = parser_of(name)(damaged)
        assert parsed is None or isinstance(parsed.fields, dict)


@pytest.mark.parametrize(
    ("group", "key", "name"),
    [
        ("/aws/rds/instance/shop/general", "", "mysql_general"),
        ("/aws/rds/cluster/shop/slowquery", "", "mysql_slow"),
        ("/aws/rds/cluster/shop/error", "", "mysql_error"),
        ("/aws/rds/instance/shop/audit", "", "mysql_audit"),
        ("/aws/rds/instance/shop/agent", "", "auto"),
        ("/aws/lambda/resize", "", "lambda"),
        ("shop-VPC-flow-logs", "", "vpc_flow"),
        ("/aws/apigateway/shop", "", "api_gateway"),
        ("/aws/apigateway/welcome", "", "raw"),
        ("app", "AWSLogs/123456789012/vpcflowlogs/x.log.gz", "auto"),
        ("", "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2024/05/06/x.log.gz", "vpc_flow"),
        ("", "2024/05/06/07/app", "auto"),
    ],
)
def test_auto_goes_by_the_name_of_the_log(group: str, key: str, name: str) -> None:
    assert parser_name(Intake(), Origin("", group, ""), key) == name


def test_the_dataset_decides_first() -> None:
    intake = Intake(
        parser="json",
        parsers={"/aws/rds/instance/old/*": "raw", "/aws/rds/*": "auto", "plain/*.log": "mysql_general"},
    )
    assert parser_name(intake, Origin("", "/aws/rds/instance/old/general", ""), "plain/a.log") == "raw"
    assert parser_name(intake, Origin("", "/aws/rds/instance/new/general", ""), "plain/a.log") == "mysql_general"
    assert parser_name(intake, Origin("", "/aws/rds/instance/new/other", ""), "plain/a.log") == "auto"
    assert parser_name(intake, Origin("", "app", ""), "plain/a.log") == "json"
    assert parser_name(intake, NOWHERE, "plain/a.log") == "mysql_general"


def test_lines_of_plain_text_are_joined_where_the_parser_says_so() -> None:
    intake = Intake(parsers={"mysql/*": "mysql_general"})
    begins = begins_of(intake, "mysql/general.log")
    assert begins is not None
    assert begins("130801  9:05:01\t    1 Query\tselect 1,")
    assert not begins("2 from t")
    assert begins_of(intake, "app.log") is None
