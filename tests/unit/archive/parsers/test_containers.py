"""Lines of containers and of what collects them, and the control plane of EKS."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from opensearch_strata.archive.parsers.containers.container import container
from opensearch_strata.archive.parsers.containers.control_plane import eks_control_plane
from opensearch_strata.archive.parsers.parsed import Parsed
from opensearch_strata.archive.timestamps import read_iso

ZONE = ZoneInfo("UTC")


def ms(text: str) -> int:
    time = read_iso(text)
    assert time is not None
    return time


def read(message: Any) -> Parsed:
    parsed = container(ZONE)(message)
    assert parsed is not None
    return parsed


CRI = "2016-10-06T00:17:09.669794202Z"


@pytest.mark.parametrize(
    ("line", "stream", "tag", "log"),
    [
        (f"{CRI} stdout F The content of the log entry 1\n", "stdout", "F", "The content of the log entry 1"),
        (f"{CRI} stderr P First line of ", "stderr", "P", "First line of "),
        (f"{CRI} stdout P:foo:bar x", "stdout", "P:foo:bar", "x"),
        (f"{CRI} stdout F ", "stdout", "F", ""),
        (f"{CRI} stdout F", "stdout", "F", ""),
        (f"{CRI} stdout F  indented\nand more", "stdout", "F", " indented\nand more"),
    ],
)
def test_lines_of_a_cri_runtime(line: str, stream: str, tag: str, log: str) -> None:
    assert read(line) == Parsed(
        {"time": CRI, "stream": stream, "logtag": tag, "log": log}, ms("2016-10-06T00:17:09.669Z")
    )


def test_a_line_in_json_is_opened_as_container_insights_does_it() -> None:
    parsed = read('2025-12-18T02:29:52.760924368+09:00 stderr F {"level":"info","msg":"hi"}')
    assert parsed.fields["log"] == '{"level":"info","msg":"hi"}'
    assert parsed.fields["log_processed"] == {"level": "info", "msg": "hi"}
    assert parsed.time == ms("2025-12-17T17:29:52.760Z")


def test_dockers_json_lines() -> None:
    line = '{"log":"2021-02-19 this is the first line\\n","stream":"stdout","time":"2021-02-19T12:09:26.739226803Z"}\n'
    assert read(line) == Parsed(
        {
            "log": "2021-02-19 this is the first line", "stream": "stdout",
            "time": "2021-02-19T12:09:26.739226803Z",
        },
        ms("2021-02-19T12:09:26.739Z"),
    )  # fmt: skip


INSIGHTS = (
    '{"time":"2026-08-09T02:57:08.636329927Z","stream":"stdout","_p":"F","log":"{\\"status\\":503}",'
    '"log_processed":{"status":503},"kubernetes":{"pod_name":"stress-5cbb6d585d-cr4rd","namespace_name":"default",'
    '"labels":{"app":"stress","app.kubernetes.io/name":"stress"}}}'
)


def test_the_envelope_of_container_insights() -> None:
    parsed = read(INSIGHTS)
    whole = orjson.loads(INSIGHTS)
    whole["kubernetes"]["labels"] = {"app": "stress", "app_kubernetes_io/name": "stress"}
    assert parsed == Parsed(whole, ms("2026-08-09T02:57:08.636Z"))


def test_no_label_takes_the_place_of_another() -> None:
    labels = {"a.b": "1", "a_b": "2", "a.b.c": "3"}
    for order in (labels, dict(reversed(labels.items()))):
        found = read({"log": "x", "kubernetes": {"labels": dict(order)}}).fields["kubernetes"]["labels"]
        assert sorted(found.values()) == ["1", "2", "3"]


def test_performance_logs_of_container_insights() -> None:
    message = {
        "Type": "Pod", "Version": "0", "Timestamp": "1587511853020", "pod_cpu_utilization": 1.2,
        "kubernetes": {"host": "ip-1", "labels": {"app.kubernetes.io/name": "x"}},
    }  # fmt: skip
    parsed = read(orjson.dumps(message).decode())
    assert (parsed.fields["Timestamp"], parsed.time) == (1587511853020, 1587511853020)
    assert parsed.fields["kubernetes"] == {"host": "ip-1", "labels": {"app_kubernetes_io/name": "x"}}
    assert read({"_aws": {"Timestamp": 1587511853020}, "cpu": 1}).time == 1587511853020


def test_a_collector_that_takes_cri_for_docker() -> None:
    wrapped = {"log": f'{CRI} stdout F {{"@timestamp": "x"}}', "kubernetes": {"pod_name": "p"}}
    assert read(wrapped) == Parsed(
        {
            "log": '{"@timestamp": "x"}', "time": CRI, "stream": "stdout", "logtag": "F",
            "log_processed": {"@timestamp": "x"}, "kubernetes": {"pod_name": "p"},
        },
        ms("2016-10-06T00:17:09.669Z"),
    )  # fmt: skip


FIRELENS = {
    "date": 1.638805848186957e9, "container_name": "app", "source": "stdout", "log": "GET / 200",
    "container_id": "f4b6c7a71bbf49aea7b1c5c6a6bd9aa9-527074092", "ecs_cluster": "firelens",
    "ecs_task_arn": "arn:aws:ecs:us-east-1:531516510575:task/firelens/f4b6", "ecs_task_definition": "example:1",
}  # fmt: skip


def test_records_of_firelens() -> None:
    assert read(FIRELENS) == Parsed(FIRELENS, 1638805848186)
    assert read({**FIRELENS, "date": "2021-12-06T15:50:48.186957Z"}).time == 1638805848186


def test_parts_of_a_line_of_firelens_stay_events_of_their_own() -> None:
    part = {
        **FIRELENS,
        "partial_message": "true",
        "partial_id": "cdb9",
        "partial_ordinal": "1",
        "partial_last": "false",
    }
    fields = read({**part, "log": '{"cut": "' + "x" * 16_000}).fields
    assert (fields["partial_message"], fields["partial_ordinal"], fields["partial_last"]) == (True, 1, False)
    assert "log_processed" not in fields


def test_halves_of_a_line_that_awslogs_cut_stay_text() -> None:
    whole = '{"level":"info","text":"' + "x" * 20_000 + '"}'
    for half in (whole[: 2**14], whole[2**14 :]):
        assert read(half) == Parsed({"message": half}, None)
    assert read(whole).fields["level"] == "info"


@pytest.mark.parametrize(
    "message",
    [
        "",
        "hello",
        "{",
        "[1]",
        f"{CRI} stdin F x",
        f"{CRI} stdout X x",
        "2016-13-06T00:17:09.6Z stdout F x",
        "\0\x1b[31m",
    ],
)
def test_other_messages_of_containers_stay_as_they_are(message: str) -> None:
    assert read(message) == Parsed({"message": message}, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"time": 5}, {"time": "2024-05-06T07:08:09Z", "date": 1.5}, {"log": 1}, {"log": None, "stream": {}},
        {"kubernetes": []}, {"kubernetes": {"labels": "x"}},
        {"log": "{", "time": "noon"}, {"log": "", "time": True}, {"log": "", "time": float("nan")}, {"Timestamp": "x"},
        {"_aws": 1}, {"_aws": {"Timestamp": "x"}}, {"partial_id": 1, "partial_ordinal": {}, "partial_last": []},
    ],
)  # fmt: skip
def test_odd_values_are_kept_and_say_no_time(fields: dict[str, Any]) -> None:
    parsed = read(dict(fields))
    assert (repr(parsed.fields), parsed.time) == (repr(fields), None)


NEAR = ms("2024-01-01T00:00:00Z")


def plane(message: Any, near: int | None = NEAR) -> Parsed:
    parsed = eks_control_plane(ZONE).read(message, near)
    assert parsed is not None
    return parsed


AUDIT = (
    '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"0154","stage":"ResponseComplete",'
    '"requestURI":"/apis/policy/v1/poddisruptionbudgets?limit=500","verb":"list",'
    '"user":{"username":"system:kube-scheduler","groups":["system:authenticated"]},"sourceIPs":["10.0.60.42"],'
    '"objectRef":{"resource":"poddisruptionbudgets","apiGroup":"policy","apiVersion":"v1"},'
    '"responseStatus":{"metadata":{},"status":"Failure","code":403},"requestObject":{"spec":{"a.b":[1]}},'
    '"requestReceivedTimestamp":"2023-05-20T04:14:53.795931Z","stageTimestamp":"2023-05-20T04:14:53.798812Z",'
    '"annotations":{"authorization.k8s.io/decision":"forbid"}}'
)


def test_audit_events_keep_their_names_and_objects_are_text() -> None:
    parsed = plane(AUDIT)
    whole = orjson.loads(AUDIT)
    assert parsed == Parsed({**whole, "requestObject": '{"spec":{"a.b":[1]}}'}, ms("2023-05-20T04:14:53.798Z"))


def test_no_object_in_an_audit_event_is_too_odd_for_text() -> None:
    event = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "responseObject": [10**30, "\ud83d", {"ü": None}]}
    assert plane(event).fields["responseObject"] == '[1000000000000000000000000000000,"\ud83d",{"ü":null}]'


def test_lines_of_the_authenticator() -> None:
    line = (
        'time="2022-05-26T18:55:30Z" level=info msg="access granted" arn="arn:aws:iam::123456789000:user/testuser" '
        'client="127.0.0.1:57586" groups="[system:masters]" method=POST path=/authenticate '
        'uid="aws-iam-authenticator:123456789000:AROAFF" username=kubernetes-admin error="say \\"no\\"\\n"\n'
    )
    assert plane(line) == Parsed(
        {
            "time": "2022-05-26T18:55:30Z", "level": "info", "msg": "access granted",
            "arn": "arn:aws:iam::123456789000:user/testuser", "client": "127.0.0.1:57586",
            "groups": "[system:masters]", "method": "POST", "path": "/authenticate",
            "uid": "aws-iam-authenticator:123456789000:AROAFF", "username": "kubernetes-admin", "error": 'say "no"\n',
        },
        ms("2022-05-26T18:55:30Z"),
    )  # fmt: skip


def test_lines_of_klog_have_the_year_of_their_event() -> None:
    line = "W1231 23:59:58.888087      11 tagging_controller.go:152] Skip putting node ip-192-168-3-75 in work queue\n"
    assert plane(line) == Parsed(
        {
            "severity": "WARNING", "time": "2023-12-31T23:59:58.888Z", "threadid": 11, "file": "tagging_controller.go",
            "line": 152, "msg": "Skip putting node ip-192-168-3-75 in work queue",
        },
        ms("2023-12-31T23:59:58.888Z"),
    )  # fmt: skip
    assert plane(line, None).fields["time"] == "1231 23:59:58.888087"


@pytest.mark.parametrize(
    "message",
    [
        "", "Flag --x has been deprecated", "{", "time=noon level=info", 'time="2022-05-26T18:55:30Z" broken',
        'time="2022-05-26T18:55:30Z" ' + "".join(f"a{number}=1 " for number in range(100)),
        "I1331 00:00:00.000000 1 a:1] x", "I1231 00:00:60.000000 1 a:1] x", 'time="2022', "Information",
    ],
)  # fmt: skip
def test_other_lines_of_the_control_plane_stay_as_they_are(message: str) -> None:
    assert plane(message) == Parsed({"message": message}, None)
    assert plane({"kind": "Event", "apiVersion": "v1"}) == Parsed({"kind": "Event", "apiVersion": "v1"}, None)
