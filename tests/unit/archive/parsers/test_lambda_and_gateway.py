"""Lines of Lambda beyond its reports, and what API Gateway writes besides JSON and CLF."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opensearch_strata.archive.parsers.api_gateway.access import api_gateway
from opensearch_strata.archive.parsers.api_gateway.execution import api_gateway_execution
from opensearch_strata.archive.parsers.lambda_log import lambda_log
from opensearch_strata.archive.parsers.parsed import Parsed, Unreadable
from opensearch_strata.archive.timestamps import read_iso

ZONE = ZoneInfo("UTC")
REQUEST = "9f294aed-ba7e-49fe-a1b9-9a7ad6313712"
ARN = "arn:aws:lambda:us-east-1::runtime:f89c264158db39a1cfcbb5f9b3741413df1cfce4d550c9a475a67d923e19e2f4"


def function(message: Any) -> Parsed:
    parsed = lambda_log(ZONE)(message)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (
            f"INIT_START Runtime Version: nodejs:18.v30\tRuntime Version ARN: {ARN}\n",
            {"type": "platform.initStart", "runtime_version": "nodejs:18.v30", "runtime_version_arn": ARN},
        ),
        (
            "INIT_REPORT Init Duration: 150.79 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n",
            {
                "type": "platform.initReport", "duration_ms": 150.79, "phase": "init", "status": "error",
                "error_type": "Runtime.ExitError",
            },
        ),
        (
            f"RESTORE_START Runtime Version: java:21.v20\tRuntime Version ARN: {ARN}\n",
            {"type": "platform.restoreStart", "runtime_version": "java:21.v20", "runtime_version_arn": ARN},
        ),
        ("RESTORE_REPORT Restore Duration: 325.93 ms\n", {"type": "platform.restoreReport", "duration_ms": 325.93}),
        (
            "EXTENSION\tName: lambda-adapter\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n",
            {
                "type": "platform.extension", "name": "lambda-adapter", "state": "Ready",
                "events": ["INVOKE", "SHUTDOWN"],
            },
        ),
        (
            "TELEMETRY\tName: datadog-agent\tState: Subscribed\tTypes: [Platform, Function, Extension]\n",
            {
                "type": "platform.telemetrySubscription", "name": "datadog-agent", "state": "Subscribed",
                "types": ["Platform", "Function", "Extension"],
            },
        ),
        (
            "LOGS\tName: cloudwatch_lambda_agent\tState: Subscribed\tTypes: [Platform]\n",
            {
                "type": "platform.logsSubscription", "name": "cloudwatch_lambda_agent", "state": "Subscribed",
                "types": ["Platform"],
            },
        ),
        (
            "EXTENSION\tName: a\tState: Ready\tEvents: []\n",
            {"type": "platform.extension", "name": "a", "state": "Ready", "events": []},
        ),
    ],
)  # fmt: skip
def test_lines_of_the_platform_around_an_invocation(line: str, fields: dict[str, Any]) -> None:
    assert function(line) == Parsed(fields, None)


def test_the_start_of_an_environment_is_the_same_in_json() -> None:
    message = (
        '{"time":"2022-10-12T00:00:15.064Z","type":"platform.initStart","record":{"initializationType":"on-demand",'
        '"phase":"init","runtimeVersion":"nodejs:18.v30","runtimeVersionArn":"arn"}}'
    )
    assert function(message) == Parsed(
        {
            "type": "platform.initStart", "initialization_type": "on-demand", "phase": "init",
            "runtime_version": "nodejs:18.v30", "runtime_version_arn": "arn",
        },
        read_iso("2022-10-12T00:00:15.064Z"),
    )  # fmt: skip


STAMP = "2023-02-18T22:23:34.030Z"


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (f"[INFO]\t{STAMP}\t{REQUEST}\tHello\n", {"level": "INFO", "request_id": REQUEST, "message": "Hello"}),
        (f"[WARNING]\t{STAMP}\t\tbefore any request\n", {"level": "WARNING", "message": "before any request"}),
        (f"{STAMP}\t{REQUEST}\tERROR\ta\tb\nc\n", {"level": "ERROR", "request_id": REQUEST, "message": "a\tb\nc"}),
        (f"{STAMP}\tundefined\tERROR\tUncaught\n", {"level": "ERROR", "message": "Uncaught"}),
        (
            f"{STAMP} {REQUEST} Task timed out after 3.00 seconds\n\n",
            {"request_id": REQUEST, "message": "Task timed out after 3.00 seconds"},
        ),
    ],
)
def test_lines_of_the_loggers_of_the_runtimes(line: str, fields: dict[str, Any]) -> None:
    assert function(line) == Parsed({"timestamp": STAMP, **fields}, read_iso(STAMP))


def test_embedded_metrics_have_the_time_of_their_metrics() -> None:
    metrics = {"Timestamp": 1574109732004, "CloudWatchMetrics": [{"Namespace": "n", "Metrics": [{"Name": "time"}]}]}
    message = {"_aws": metrics, "functionVersion": "$LATEST", "time": 100, "requestId": REQUEST}
    assert function(message) == Parsed(
        {"_aws": metrics, "functionVersion": "$LATEST", "time": 100, "request_id": REQUEST}, 1574109732004
    )
    assert function({"_aws": 1, "timestamp": STAMP}).time == read_iso(STAMP)


@pytest.mark.parametrize(
    "message",
    [
        "INIT_START", "INIT_START is a state", "EXTENSION Name: x", f"[info]\t{STAMP}\t\tx", f"{STAMP}\tme\tINFO\tx",
        f"RequestId: {REQUEST} Error: Runtime exited with error: exit status 1\nRuntime.ExitError", "\0",
    ],
)  # fmt: skip
def test_other_lines_of_functions_stay_as_they_are(message: str) -> None:
    assert function(message) == Parsed({"message": message}, None)


def access(message: str) -> Parsed:
    parsed = api_gateway(ZONE)(message)
    assert parsed is not None
    return parsed


REST = {
    "ip": "127.0.0.1", "user": "anna", "requestTime": "10/Oct/2020:13:55:36 +0000", "httpMethod": "GET",
    "resourcePath": "/pets/{id}", "protocol": "HTTP/1.1", "status": 200, "responseLength": 1024, "requestId": "c6af",
    "extendedRequestId": "ext=",
}  # fmt: skip
HTTP = {name: value for name, value in REST.items() if name not in ("user", "resourcePath")} | {"routeKey": "GET /pets"}
AT = 1602338136000


def test_access_logs_in_xml() -> None:
    elements = {**REST, "caller": "-"}
    del elements["requestId"]
    body = " ".join(f"<{name}>{value}</{name}>" for name, value in elements.items())
    assert access(f'<request id="c6af"> {body} </request>\n') == Parsed(REST, AT)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("127.0.0.1,-,anna,10/Oct/2020:13:55:36 +0000,GET,/pets/{id},HTTP/1.1,200,1024,c6af,ext=", REST),
        ("127.0.0.1,10/Oct/2020:13:55:36 +0000,GET,GET /pets,HTTP/1.1,200,1024,c6af,ext=\n", HTTP),
    ],
)
def test_access_logs_in_csv(line: str, fields: dict[str, Any]) -> None:
    assert access(line) == Parsed(fields, AT)
    short = {name: value for name, value in fields.items() if name != "extendedRequestId"}
    assert access(line.strip().removesuffix(",ext=")) == Parsed(short, AT)


@pytest.mark.parametrize(
    "message",
    [
        '<request id="a">', '<request id="a"><ip>1</status></request>', '<request id="a"> text </request>',
        '<request id="a">' + "".join(f"<a{number}>1</a{number}>" for number in range(200)) + "</request>", "<xml/>",
        ",,,,,,,,,,", "a,b,c,noon,GET,/,HTTP/1.1,200,1,id,ext",
        "a,b,c,10/Oct/2020:13:55:36 +0000,GET,/,HTTP/1.1,ok,1,id",
    ],
)  # fmt: skip
def test_access_logs_in_other_formats_are_refused(message: str) -> None:
    with pytest.raises(Unreadable):
        access(message)


def execution(message: Any) -> dict[str, Any]:
    parsed = api_gateway_execution(ZONE)(message)
    assert parsed is not None
    assert parsed.time is None
    return parsed.fields


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (
            "HTTP Method: POST, Resource Path: /users/me/cv",
            {"httpMethod": "POST", "resourcePath": "/users/me/cv"},
        ),
        (
            "Received response. Status: 200, Integration latency: 57 ms",
            {"integrationStatus": 200, "integrationLatency": 57},
        ),
        ("Method completed with status: 502", {"status": 502}),
        ("Extended Request Id: X1234=", {"extendedRequestId": "X1234="}),
        ("AWS Integration Endpoint RequestId : 88e8f4f4-a7a8", {"awsEndpointRequestId": "88e8f4f4-a7a8"}),
        ('Endpoint response body before transformations: {\n  "a": 1\n}', {}),
        ("Execution failed due to configuration error: Malformed Lambda proxy response", {}),
        ("Method completed with status: later", {}),
        ("HTTP Method: GET, Resource Path: " + "/" * 100_000, {}),
    ],
)
def test_lines_of_the_execution_of_a_request(text: str, fields: dict[str, Any]) -> None:
    assert execution(f"({REQUEST}) {text}\n") == {"requestId": REQUEST, "message": text, **fields}


@pytest.mark.parametrize("message", ["", "Verifying", "() x", f"({REQUEST})", "(a b) x", "\0"])
def test_lines_without_a_request_stay_as_they_are(message: str) -> None:
    assert execution(message) == {"message": message}
    assert execution({"a": 1}) == {"a": 1}
